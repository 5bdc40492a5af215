namespace Mcdrl

open TorchSharp
open type TorchSharp.torch.nn

/// Imaging conditions as operations on frames: what the dictionary says in words, done to pixels.
/// A frame is [3, h, w], float32 in [0, 1], on any device; strength lies in (0, 1]; the result has the same shape and range, on
/// the same device.
[<RequireQualifiedAccess>]
module Conditions =
    let private ramp (size: int64) (device: torch.Device) =
        torch.linspace (-1.0, 1.0, size, dtype = torch.float32, device = device)

    /// Distance of each pixel from (x, y), in half sides: [h, w].
    let private distance (x: float) (y: float) (frame: Tensor) =
        scoped (fun () ->
            let rows = (squared ((ramp frame.shape[1] frame.device).sub(scalar y))).unsqueeze 1L

            let columns =
                (squared ((ramp frame.shape[2] frame.device).sub(scalar x))).unsqueeze 0L

            rows.add(columns, unity).sqrt())

    /// A lens out of focus: Gaussian, σ up to 3 % of the width.
    let blur strength (_: Seed) (frame: Tensor) =
        scoped (fun () ->
            let sigma = max 0.3 (0.03 * strength * float frame.shape[2])
            let radius = int64 (ceil (2.5 * sigma))

            let offsets =
                torch.tensor ([| for offset in -radius .. radius -> float32 offset |], device = frame.device)

            let weights = (squared offsets).div(scalar (-2.0 * sigma * sigma)).exp()
            let kernel = weights.div(weights.sum ()).view(1L, 1L, 1L, -1L)
            let planes = frame.unsqueeze 1L

            let padded =
                functional.pad (planes, [| radius; radius; radius; radius |], mode = PaddingModes.Replicate)

            functional.conv2d(functional.conv2d (padded, kernel), kernel.transpose (2L, 3L)).squeeze 1L)

    /// Over-exposure: gain up to 1.7 and a lifted black level.
    let brightLighting strength (_: Seed) (frame: Tensor) =
        scoped (fun () ->
            clipped (frame.mul(scalar (1.0 + 0.7 * strength)).add(scalar (0.08 * strength), unity)))

    /// Too little light: gain down to 0.3.
    let dimLighting strength (_: Seed) (frame: Tensor) =
        scoped (fun () -> frame.mul (scalar (1.0 - 0.7 * strength)))

    /// A light that leaves one side dark.
    let unevenLighting strength seed (frame: Tensor) =
        let at name =
            seed |> Seed.named name |> Seed.between -0.8 0.8

        scoped (fun () ->
            let shade =
                (distance (at "x") (at "y") frame)
                    .mul(scalar (0.75 * strength))
                    .neg()
                    .add(scalar 1.15, unity)

            clipped (frame.mul (shade.maximum(scalar 0.1).minimum(scalar 1.15))))

    /// Narrow-band light: blue and green only, so that red turns to brown and cyan.
    let narrowBandImaging strength (_: Seed) (frame: Tensor) =
        scoped (fun () ->
            let mix =
                torch.tensor (
                    [| 0.1f; 0.75f; 0.15f; 0.05f; 0.75f; 0.2f; 0.05f; 0.35f; 0.6f |],
                    device = frame.device
                )

            let banded = mix.view(3L, 3L).matmul(frame.flatten 1L).view_as frame
            clipped (blend strength frame banded))

    /// White light of another colour temperature.
    let whiteLightImaging strength seed (frame: Tensor) =
        let gain name =
            1.0 + strength * (seed |> Seed.named name |> Seed.between -0.25 0.25)

        scoped (fun () ->
            let gains =
                torch
                    .tensor([| float32 (gain "red"); 1.0f; float32 (gain "blue") |], device = frame.device)
                    .view(3L, 1L, 1L)

            clipped (frame.mul gains))

    /// A film of one colour over part of the frame.
    let private film (red: float32, green: float32, blue: float32) opacity seed (frame: Tensor) =
        let at name =
            seed |> Seed.named name |> Seed.between -1.0 1.0

        scoped (fun () ->
            let reach = seed |> Seed.named "reach" |> Seed.between 0.5 1.2

            let cover =
                (distance (at "x") (at "y") frame).div(scalar reach).neg().add(scalar 1.0, unity)
                |> clipped

            let colour =
                torch.tensor([| red; green; blue |], device = frame.device).view(3L, 1L, 1L)

            let weight = cover.mul (scalar opacity)
            clipped (frame.add (colour.sub(frame).mul weight, unity)))

    /// Pale, cloudy mucus.
    let mucus strength seed frame =
        film (0.85f, 0.82f, 0.62f) (0.75 * strength) seed frame

    /// Blood, darkening as it thickens.
    let blood strength seed frame =
        film (0.45f, 0.03f, 0.03f) (0.85 * strength) seed frame

    /// Specular light: saturated spots on wet tissue.
    let reflection strength seed (frame: Tensor) =
        let spots = 3 + int (12.0 * strength)

        scoped (fun () ->
            let rows = ramp frame.shape[1] frame.device
            let columns = ramp frame.shape[2] frame.device

            let spot index =
                let at name =
                    seed |> Seed.split index |> Seed.named name

                let size = at "size" |> Seed.between 0.02 (0.04 + 0.08 * strength)

                let along (axis: Tensor) name =
                    let centre = at name |> Seed.between -0.9 0.9
                    (squared (axis.sub(scalar centre).div(scalar size))).neg().exp()

                (along rows "y").unsqueeze(1L).mul((along columns "x").unsqueeze 0L)

            let light = Seq.init spots spot |> Seq.reduce (fun a b -> a.maximum b)
            clipped (frame.add (light.mul (scalar 1.2), unity)))

    /// Sensor noise and blocks of a poor video link.
    let artifacts strength seed (frame: Tensor) =
        scoped (fun () ->
            let factor = 1.0 / (1.0 + 3.0 * strength)

            let small =
                [|
                    int64 (float frame.shape[1] * factor)
                    int64 (float frame.shape[2] * factor)
                |]

            let coarse =
                functional.interpolate (
                    functional.interpolate (
                        frame.unsqueeze 0L,
                        size = small,
                        mode = torch.InterpolationMode.Area
                    ),
                    size = frame.shape[1..],
                    mode = torch.InterpolationMode.Nearest
                )

            let noise =
                (SeedTensors.normal (List.ofArray frame.shape) (Seed.named "noise" seed)).``to`` frame.device

            clipped ((blend 0.7 frame (coarse.squeeze 0L)).add(noise.mul (scalar (0.08 * strength)), unity)))

    /// The strength of a condition when only its name is given.
    let typical = 0.6

    /// The conditions that can be done to the pixels of a frame without moving them, by their words.
    let byName: (string * (float -> Seed -> Tensor -> Tensor)) list =
        [
            "blur", blur
            "artifacts", artifacts
            "bright lighting", brightLighting
            "dim lighting", dimLighting
            "uneven lighting", unevenLighting
            "narrow-band imaging", narrowBandImaging
            "white-light imaging", whiteLightImaging
            "mucus", mucus
            "blood", blood
            "reflection", reflection
        ]

    /// Those of them that are what the condition does to a real frame, eight of the ten: a film of mucus or blood over a
    /// frame is a drawing of one.
    let onPixels =
        byName |> List.filter (fun (name, _) -> name <> "mucus" && name <> "blood")
