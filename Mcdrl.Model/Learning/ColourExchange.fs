namespace Mcdrl

open TorchSharp

/// Colours in CIELAB under D65, from and to sRGB.
[<RequireQualifiedAccess>]
module CieLab =
    /// Of linear RGB, in rows X, Y and Z, each row divided by what white gives (IEC 61966-2-1).
    let private toXyz =
        [|
            0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047
            0.2126729, 0.7151522, 0.0721750
            0.0193339 / 1.08883, 0.1191920 / 1.08883, 0.9503041 / 1.08883
        |]

    let private threshold = 216.0 / 24389.0

    let private slope = 24389.0 / 3132.0

    let private matrix (device: torch.Device) =
        torch
            .tensor(
                [|
                    for a, b, c in toXyz do
                        yield! [| float32 a; float32 b; float32 c |]
                |],
                device = device
            )
            .view(3L, 3L)

    let private chosen (condition: Tensor) (one: Tensor) (other: Tensor) = torch.where (condition, one, other)

    /// sRGB [3, n] in [0, 1] → L* in [0, 100], a* and b*, [3, n].
    let ofRgb (rgb: Tensor) : Tensor =
        scoped (fun () ->
            let linear =
                chosen
                    (rgb.gt (scalar 0.04045))
                    (rgb.add(scalar 0.055, unity).div(scalar 1.055).pow(scalar 2.4))
                    (rgb.div (scalar 12.92))

            let xyz = (matrix rgb.device).matmul linear

            let f =
                chosen
                    (xyz.gt (scalar threshold))
                    (xyz.pow (scalar (1.0 / 3.0)))
                    (xyz.mul(scalar slope).add(scalar (16.0 / 116.0), unity))

            let x, y, z = f[0L], f[1L], f[2L]

            torch.stack (
                [|
                    y.mul(scalar 116.0).sub(scalar 16.0)
                    x.sub(y).mul(scalar 500.0)
                    y.sub(z).mul(scalar 200.0)
                |]
            ))

    /// Back, [3, n]; colours outside sRGB are clipped into [0, 1].
    let toRgb (lab: Tensor) : Tensor =
        scoped (fun () ->
            let y = lab[0L].add(scalar 16.0, unity).div(scalar 116.0)
            let x = y.add (lab[1L].div(scalar 500.0), unity)
            let z = y.sub (lab[2L].div(scalar 200.0))
            let f = torch.stack [| x; y; z |]

            let xyz =
                chosen
                    (f.gt (scalar (6.0 / 29.0)))
                    (f.pow (scalar 3.0))
                    (f.sub(scalar (16.0 / 116.0)).div(scalar slope))

            let linear = (matrix torch.CPU).inverse().``to``(lab.device).matmul xyz |> clipped

            chosen
                (linear.gt (scalar 0.0031308))
                (linear.pow(scalar (1.0 / 2.4)).mul(scalar 1.055).sub(scalar 0.055))
                (linear.mul (scalar 12.92))
            |> clipped)

/// Gives one frame the colours of another, as a view of it: mean and deviation of L*, a* and b* (Reinhard et al. 2001; between
/// training frames, Wei et al. 2021).
[<RequireQualifiedAccess>]
module ColourExchange =
    /// How much each pixel counts, [n]: 0 in the black around a frame, 1 in what is lit.
    let private lit (rgb: Tensor) =
        scoped (fun () ->
            let struct (brightest, _) = rgb.max 0L
            brightest.sub(scalar 0.02).div(scalar 0.08) |> clipped)

    /// Weighted mean and deviation of every row, each [3, 1].
    let private moments (weight: Tensor) (lab: Tensor) =
        let total = weight.sum().maximum(scalar 1.0)

        let mean (x: Tensor) =
            x.mul(weight).sum(1L, keepdim = true).div total

        let centre = mean lab
        centre, (mean (squared (lab.sub centre))).sqrt()

    /// Every fourth row and column, which have the colours of all.
    let private thinned (frame: Tensor) =
        frame.slice(1L, 0L, frame.shape[1], 4L).slice(2L, 0L, frame.shape[2], 4L)

    /// `frame` with the colours of `partner`, both [3, h, w] float32 in [0, 1], of any sizes. What is black stays black. A partner
    /// of which less than a hundredth is lit has no colours to give: the frame stays as it is.
    let apply (partner: Tensor) (frame: Tensor) : Tensor =
        scoped (fun () ->
            let given = (thinned partner).flatten 1L
            let givenWeight = lit given
            let own = frame.flatten 1L
            let ownWeight = lit own
            let lab = CieLab.ofRgb own
            let mean, deviation = moments ownWeight lab
            let newMean, newDeviation = moments givenWeight (CieLab.ofRgb given)

            // A unit of CIELAB is what an eye can just tell: less is no contrast to be stretched.
            let factor = newDeviation.div (deviation.maximum (scalar 1.0))
            let exchanged = lab.sub(mean).mul(factor).add(newMean, unity) |> CieLab.toRgb

            // Asked of the tensor, not by a branch: a card would have to end all its work before it could answer.
            let gives = givenWeight.mean().ge(scalar 0.01).``to`` torch.float32
            own.add(exchanged.sub(own).mul(ownWeight.mul gives), unity).view_as(frame))

    /// Whose colours a frame of site `own` takes over in the view of this seed: one of `candidates`, each with its site, of another
    /// site, each as likely. `None` with probability 1 − `probability`, or where all are of the same site.
    let partner
        (probability: float)
        seed
        (own: string)
        (candidates: ('frame * string) array)
        : 'frame option =
        if Seed.uniform (Seed.named "whether" seed) >= probability then
            None
        else
            match candidates |> Array.filter (fun (_, site) -> site <> own) with
            | [||] -> None
            | others -> Some(fst others[Seed.below others.Length (Seed.named "who" seed)])
