namespace Mcdrl

open System
open TorchSharp
open type TorchSharp.torch.nn

/// Random views of a frame and its labels, the same for every method compared.
[<RequireQualifiedAccess>]
module Augmentation =
    /// The frame as it is.
    let none: AugmentationSettings =
        {
            Flips = false
            QuarterTurns = false
            Rotation = 0.0
            Scale = 0.0
            Shift = 0.0
            Colour = 0.0
            ColourExchange = None
            Conditions = 0.0
            Pairs = false
            Views = 1
        }

    /// The probability that a frame takes over another's colours.
    let exchange (settings: AugmentationSettings) =
        Option.defaultValue 0.0 settings.ColourExchange

    /// Whether a view is the frame as it is, in a pair or not.
    let isNone (settings: AugmentationSettings) = { settings with Pairs = false } = none

    /// A linear map of the plane [a b; c d] and a shift, in coordinates of −1..1: where an output pixel looks.
    type private Placement =
        {
            A: float
            B: float
            C: float
            D: float
            X: float
            Y: float
        }

    let private placement (settings: AugmentationSettings) seed =
        let draw name = Seed.named name seed

        let turns =
            if settings.QuarterTurns then
                Seed.below 4 (draw "turns")
            else
                0

        let tilt = Seed.between -settings.Rotation settings.Rotation (draw "rotation")
        let angle = Math.PI * (float turns / 2.0 + tilt / 180.0)

        let mirror =
            if settings.Flips && Seed.below 2 (draw "mirror") = 1 then
                -1.0
            else
                1.0

        let upside =
            if settings.Flips && Seed.below 2 (draw "upside") = 1 then
                -1.0
            else
                1.0

        let reach = log (1.0 + settings.Scale)
        let zoom = exp (Seed.between -reach reach (draw "scale"))

        let shift name =
            Seed.between -settings.Shift settings.Shift (draw name) * 2.0

        {
            A = mirror * cos angle / zoom
            B = -mirror * sin angle / zoom
            C = upside * sin angle / zoom
            D = upside * cos angle / zoom
            X = shift "x"
            Y = shift "y"
        }

    let private isStill p =
        (p.A, p.B, p.C, p.D, p.X, p.Y) = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

    let private moved (p: Placement) mode (x: Tensor) =
        scoped (fun () ->
            let theta =
                torch
                    .tensor(
                        [|
                            float32 p.A
                            float32 p.B
                            float32 p.X
                            float32 p.C
                            float32 p.D
                            float32 p.Y
                        |],
                        device = x.device
                    )
                    .view(1L, 2L, 3L)

            let planes = x.unsqueeze 0L
            let grid = functional.affine_grid (theta, planes.shape, align_corners = false)

            functional
                .grid_sample(
                    planes,
                    grid,
                    mode = mode,
                    padding_mode = torch.GridSamplePaddingMode.Zeros,
                    align_corners = false
                )
                .squeeze
                0L)

    let private coloured strength seed (frame: Tensor) =
        let draw name =
            seed |> Seed.named name |> Seed.between -strength strength

        scoped (fun () ->
            let grey = frame.mean ([| 0L |], keepdim = true)
            let saturated = blend (1.0 + draw "saturation") grey frame
            let middle = saturated.mean ()
            let contrasted = blend (1.0 + draw "contrast") middle saturated

            let tints =
                [| "red"; "green"; "blue" |]
                |> Array.map (fun name -> float32 (1.0 + 0.5 * draw name))

            contrasted
                .mul(torch.tensor(tints, device = frame.device).view(3L, 1L, 1L))
                .mul(scalar (1.0 + draw "brightness"))
            |> clipped)

    let private conditioned probability seed frame =
        if Seed.uniform (Seed.named "whether" seed) < probability then
            let _, operation =
                Conditions.byName[Seed.below Conditions.byName.Length (Seed.named "which" seed)]

            operation (Seed.between 0.2 1.0 (Seed.named "strength" seed)) (Seed.named "details" seed) frame
        else
            frame.alias ()

    /// Geometry and colour, without an imaging condition.
    let private plain (settings: AugmentationSettings) seed (frame: Tensor) (labels: Tensor) =
        let place = placement settings (Seed.named "geometry" seed)

        let still x = (x: Tensor).alias()

        let move mode =
            if isStill place then still else moved place mode

        let seen =
            scoped (fun () ->
                let frame = move torch.GridSampleMode.Bilinear frame

                if settings.Colour > 0.0 then
                    coloured settings.Colour (Seed.named "colour" seed) frame
                else
                    frame)

        let marked =
            scoped (fun () ->
                let plane = labels.``to``(torch.float32).unsqueeze 0L
                (move torch.GridSampleMode.Nearest plane).squeeze(0L).round().``to`` torch.uint8)

        seen, marked

    /// One random view. Frame [3, S, S] float32 in [0, 1] and labels [S, S] uint8, both on one device → the same shapes there; what
    /// comes from outside the frame is black background.
    let view (settings: AugmentationSettings) seed (frame: Tensor) (labels: Tensor) : Tensor * Tensor =
        let seen, marked = plain settings seed frame labels
        use seen = seen
        conditioned settings.Conditions (Seed.named "condition" seed) seen, marked

    /// The same view as `view` draws, and beside it the view under `condition` in place of whatever condition it
    /// was given: T_m(x), [3, S, S]. `None` where the condition is no operation on pixels.
    let pair (settings: AugmentationSettings) seed (condition: string) (frame: Tensor) (labels: Tensor) =
        let plainSeen, marked = plain settings seed frame labels
        use plainSeen = plainSeen
        let seen = conditioned settings.Conditions (Seed.named "condition" seed) plainSeen

        let transformed =
            Conditions.byName
            |> List.tryFind (fst >> (=) condition)
            |> Option.map (fun (_, operation) ->
                operation Conditions.typical (Seed.named "transformed" seed) plainSeen)

        seen, marked, transformed
