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

    /// The five, in the order of a data set's folders.
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

    /// A hospital of no name, drawn from the range of hospitals there could be: what a model is pretrained on, so that
    /// the five stay unseen. Without bias.
    let drawn (seed: Seed) : PhantomSite =
        let between name low high =
            seed |> Seed.named name |> Seed.between low high

        let apertures =
            [ Aperture.Full; Aperture.Octagon; Aperture.Round; Aperture.Rounded ]

        let aperture = apertures[Seed.below apertures.Length (Seed.named "aperture" seed)]

        site
            "drawn"
            {
                Aperture = aperture
                Reach =
                    if aperture = Aperture.Full then
                        0.5
                    else
                        between "reach" 0.44 0.5
                Warmth = between "warmth" -0.16 0.18
                Gain = between "gain" 0.85 1.15
                Noise = between "noise" 0.004 0.02
                Softness = between "softness" 0.001 0.0035
                Sharpening = between "sharpening" 0.0 1.2
                Contrast = between "contrast" 0.88 1.22
                LampReach = between "lamp reach" 0.5 0.85
            }
            (between "tube" 0.1 0.6, between "folds" 0.1 0.6, between "wall" 0.1 0.6)
            0.1
            (List.replicate usual.Length 1.0)
            (between "redness" 0.8 1.2)
            (between "vascularity" 0.3 1.0)
            0.0
