namespace Mcdrl

/// Five hospitals, and the bias that they share.
[<RequireQualifiedAccess>]
module PhantomSites =
    /// The conditions under which each class is usually seen in confounded data. The direction is the same at
    /// every site, the strength is the site's `Bias`. No condition is usual for two classes.
    let usual =
        [
            [ "white-light imaging"; "reflection" ]
            [ "narrow-band imaging"; "a close-up view" ]
            [ "bright lighting"; "mucus"; "blood" ]
            [ "blur"; "dim lighting"; "a distant view" ]
            [ "artifacts"; "uneven lighting" ]
        ]

    let private optics =
        {
            Aperture = Aperture.Full
            Reach = 0.5
            Warmth = 0.0
            Gain = 1.0
            Noise = 0.008
            Softness = 0.0015
            Sharpening = 0.4
            Contrast = 1.0
            LampReach = 0.75
        }

    let private site name optics (tube, folds, wall) normal classes redness vascularity bias =
        {
            Name = name
            Optics = optics
            Anatomies = [ Anatomy.Tube, tube; Anatomy.Folds, folds; Anatomy.Wall, wall ]
            Normal = normal
            Classes = classes
            Redness = redness
            Vascularity = vascularity
            Bias = bias
        }

    let all =
        [
            site
                "p1"
                { optics with
                    Aperture = Aperture.Octagon
                    Reach = 0.49
                    Warmth = 0.06
                }
                (0.45, 0.35, 0.2)
                0.1
                [ 1.4; 1.0; 1.0; 0.8; 0.8 ]
                1.0
                0.6
                0.9
            site
                "p2"
                { optics with
                    Aperture = Aperture.Round
                    Reach = 0.495
                    Warmth = -0.05
                    Contrast = 1.1
                    Sharpening = 0.8
                }
                (0.2, 0.4, 0.4)
                0.08
                [ 1.0; 1.2; 1.0; 1.0; 0.8 ]
                0.85
                0.9
                0.93
            site
                "p3"
                { optics with
                    Aperture = Aperture.Rounded
                    Reach = 0.49
                    Warmth = 0.14
                    Gain = 1.12
                    Noise = 0.013
                    Softness = 0.0025
                    Sharpening = 0.2
                }
                (0.35, 0.45, 0.2)
                0.12
                [ 1.0; 1.0; 1.3; 0.9; 0.8 ]
                1.15
                0.4
                0.88
            site
                "p4"
                { optics with
                    Aperture = Aperture.Full
                    Warmth = 0.0
                    Gain = 0.9
                    Noise = 0.018
                    LampReach = 0.55
                    Contrast = 1.2
                }
                (0.5, 0.2, 0.3)
                0.1
                [ 0.9; 0.9; 1.0; 1.3; 1.0 ]
                1.05
                0.7
                0.95
            site
                "p5"
                { optics with
                    Aperture = Aperture.Octagon
                    Reach = 0.46
                    Warmth = -0.12
                    Gain = 1.05
                    Softness = 0.003
                    Sharpening = 1.1
                    Contrast = 0.9
                }
                (0.25, 0.3, 0.45)
                0.1
                [ 1.0; 1.0; 0.9; 1.0; 1.3 ]
                0.92
                0.8
                0.86
        ]
