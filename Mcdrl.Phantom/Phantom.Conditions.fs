namespace Mcdrl

/// What stands between tissue and picture in one frame: light, films on the tissue, lens and processor.
type PhantomImaging =
    {
        /// Exposure.
        Gain: float32
        /// Stray light added to every pixel, linear.
        Veil: float32
        /// Light lost towards one side, 0 to 1.
        Uneven: float32
        /// The direction of that side, to the right.
        UnevenX: float32
        /// The direction of that side, downwards.
        UnevenY: float32
        /// From white light (0) to the two narrow bands (1).
        Narrow: float32
        /// Warmth added to the site's.
        Warmth: float32
        /// Cover and thickness of a mucus film, 0 none.
        Mucus: float32
        /// Cover and thickness of blood, 0 none.
        Blood: float32
        /// Specular light, 1 is normal.
        Specular: float32
        /// Standard deviation of the defocus in sides.
        Defocus: float32
        /// Compression, interlacing and noise, 0 none.
        Artifacts: float32
    }

/// The dictionary's twelve conditions, as what they do in the chain from lamp to file.
[<RequireQualifiedAccess>]
module PhantomConditions =
    /// The plain reference frame.
    let plain =
        {
            Gain = 1f
            Veil = 0f
            Uneven = 0f
            UnevenX = 0f
            UnevenY = 1f
            Narrow = 0f
            Warmth = 0f
            Mucus = 0f
            Blood = 0f
            Specular = 1f
            Defocus = 0f
            Artifacts = 0f
        }

    /// The condition's words, in the dictionary's order.
    let names = Prompts.conditions |> List.map _.Name

    /// Imaging under a condition of strength (0, 1]; words that are none of `names` change nothing.
    let imaging (condition: (string * float) option) (seed: Seed) =
        match condition with
        | None -> plain
        | Some(name, strength) ->
            let s = float32 strength
            let turn = seed |> Seed.named "side" |> Seed.between 0.0 6.2832

            match name with
            | "blur" ->
                { plain with
                    Defocus = 0.002f + 0.016f * s
                }
            | "artifacts" -> { plain with Artifacts = s }
            | "bright lighting" ->
                { plain with
                    Gain = 1f + 1.9f * s
                    Veil = 0.05f * s
                }
            | "dim lighting" -> { plain with Gain = 1f / (1f + 5f * s) }
            | "uneven lighting" ->
                { plain with
                    Uneven = s
                    UnevenX = float32 (cos turn)
                    UnevenY = float32 (sin turn)
                }
            | "narrow-band imaging" -> { plain with Narrow = s }
            | "white-light imaging" ->
                let sign =
                    if Seed.uniform (Seed.named "warmth" seed) < 0.5 then
                        -1f
                    else
                        1f

                { plain with Warmth = 0.3f * s * sign }
            | "a close-up view" ->
                { plain with
                    Gain = 1f + 0.35f * s
                    Defocus = 0.0035f * s
                }
            | "a distant view" ->
                { plain with
                    Gain = 1f / (1f + 0.6f * s)
                }
            | "mucus" -> { plain with Mucus = s }
            | "blood" -> { plain with Blood = s }
            | "reflection" -> { plain with Specular = 1f + 7f * s }
            | _ -> plain

    /// Where a condition puts the camera. A close-up keeps the whole lesion in view.
    let geometry (lesion: Lesion option) (condition: (string * float) option) =
        let x, y, radius =
            match lesion with
            | Some lesion -> lesion.X, lesion.Y, lesion.Radius
            | None -> 0.5, 0.5, 0.2

        match condition with
        | Some("a close-up view", strength) ->
            let zoom = max 1.15 (min (1.0 + 1.1 * strength) (0.44 / radius))
            let toMiddle = 0.75 * strength

            {
                Zoom = zoom
                CentreX = x
                CentreY = y
                AnchorX = x + toMiddle * (0.5 - x)
                AnchorY = y + toMiddle * (0.5 - y)
            }
        | Some("a distant view", strength) ->
            { PhantomGeometry.reference with
                Zoom = 1.0 / (1.0 + 1.1 * strength)
            }
        | _ -> PhantomGeometry.reference
