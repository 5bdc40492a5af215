namespace Mcdrl

open System

/// From light to picture: lens, tone curve, edge enhancement, noise, compression, field of view.
[<RequireQualifiedAccess>]
module PhantomCamera =
    /// One pass of a running mean over rows of `source`, written transposed.
    let private mean radius side (source: float32[]) (target: float32[]) =
        let scale = 1f / float32 (2 * radius + 1)

        for row in 0 .. side - 1 do
            let start = row * side

            let at column =
                source[start + max 0 (min (side - 1) column)]

            let mutable sum = 0f

            for column in -radius .. radius do
                sum <- sum + at column

            for column in 0 .. side - 1 do
                target[column * side + row] <- sum * scale
                sum <- sum + at (column + radius + 1) - at (column - radius)

    /// [w 1−2w w] over rows, written transposed.
    let private soften weight side (source: float32[]) (target: float32[]) =
        for row in 0 .. side - 1 do
            let start = row * side

            for column in 0 .. side - 1 do
                let left = source[start + max 0 (column - 1)]
                let right = source[start + min (side - 1) (column + 1)]
                let middle = source[start + column]
                target[column * side + row] <- middle + weight * (left + right - 2f * middle)

    /// A Gaussian of this standard deviation in pixels, in place: means of means where it is wide.
    let private blur (sigma: float32) side (plane: float32[]) =
        let spare = Array.zeroCreate plane.Length
        let variance = sigma * sigma

        if variance < 0.6f then
            let weight = variance / 2f
            soften weight side plane spare
            soften weight side spare plane
        else
            // Three means of width w have variance (w² − 1) / 4.
            let radius = max 1 (int (MathF.Round((MathF.Sqrt(4f * variance + 1f) - 1f) / 2f)))

            for _ in 1..3 do
                mean radius side plane spare
                mean radius side spare plane

    /// 0 outside the field of view, 1 inside, by the distance to its border.
    let private inside (optics: PhantomOptics) (x: float32) (y: float32) =
        let reach = float32 optics.Reach
        let dx, dy = MathF.Abs(x - 0.5f), MathF.Abs(y - 0.5f)

        match optics.Aperture with
        | Aperture.Full -> 1f
        | Aperture.Round -> reach - MathF.Sqrt(dx * dx + dy * dy)
        | Aperture.Octagon -> MathF.Min(reach - MathF.Max(dx, dy), 0.72f * (1.42f * reach - dx - dy))
        | Aperture.Rounded ->
            let corner = 0.12f
            let cx, cy = MathF.Max(0f, dx - reach + corner), MathF.Max(0f, dy - reach + corner)
            MathF.Min(corner - MathF.Sqrt(cx * cx + cy * cy), reach - MathF.Max(dx, dy))

    let private toneSteps = 4096
    let private toneEnd = 5f

    /// Linear light to display values: a soft shoulder and a gamma.
    let private tone contrast =
        Array.init (toneSteps + 2) (fun step ->
            let x = toneEnd * float32 step / float32 toneSteps
            let y = MathF.Pow(1f - MathF.Exp(-1.45f * x), 1f / 2.1f)
            let curved = y * y * (3f - 2f * y)
            y + 0.45f * contrast * (curved - y))

    let private display (curve: float32[]) (plane: float32[]) =
        let scale = float32 toneSteps / toneEnd

        for index in 0 .. plane.Length - 1 do
            let x = MathF.Min(float32 toneSteps, MathF.Max(0f, plane[index] * scale))
            let step = int x
            plane[index] <- curve[step] + (x - float32 step) * (curve[step + 1] - curve[step])

    /// Interlaced fields that have moved apart, and blocks that lost their detail, in place.
    let private corrupt amount side (seed: Seed) (planes: float32[][]) =
        let shift = int (MathF.Round(amount * 0.016f * float32 side))

        let sign =
            if Seed.uniform (Seed.named "shift" seed) < 0.5 then
                -1
            else
                1

        let field = max 1 (side / 176)
        let block = max 4 (int (MathF.Round(float32 side * 12f / 352f)))
        let kept = 1f - 0.8f * amount
        let steps = 4f + 20f * (1f - amount)

        for plane in planes do
            let before = Array.copy plane

            for row in 0 .. side - 1 do
                if row / field % 2 = 1 then
                    for column in 0 .. side - 1 do
                        let from = max 0 (min (side - 1) (column + sign * shift))
                        plane[row * side + column] <- before[row * side + from]

            for top in 0..block .. side - 1 do
                for left in 0..block .. side - 1 do
                    let bottom, right = min side (top + block), min side (left + block)
                    let mutable sum = 0f

                    for row in top .. bottom - 1 do
                        for column in left .. right - 1 do
                            sum <- sum + plane[row * side + column]

                    let mean = sum / float32 ((bottom - top) * (right - left))
                    let coarse = MathF.Round(mean * steps * 3f) / (steps * 3f)

                    for row in top .. bottom - 1 do
                        for column in left .. right - 1 do
                            let index = row * side + column
                            plane[index] <- coarse + kept * (plane[index] - mean)

    /// The picture of this light. Labels outside the field of view become background.
    let take
        (scene: Scene)
        (imaging: PhantomImaging)
        (seed: Seed)
        (light: PhantomLight)
        (labels: byte[])
        side
        =
        let optics = scene.Optics
        let planes = [| light.Red; light.Green; light.Blue |]

        let sigma =
            float32 side
            * MathF.Sqrt(float32 (optics.Softness * optics.Softness) + imaging.Defocus * imaging.Defocus)

        let curve = tone (float32 optics.Contrast)

        for plane in planes do
            blur sigma side plane
            display curve plane

        if imaging.Artifacts > 0f then
            corrupt imaging.Artifacts side (Seed.named "artifacts" seed) planes

        let rgb = Array.zeroCreate<byte>(side * side * 3)
        let sharpening = 0.35f * float32 optics.Sharpening
        let noise = float32 optics.Noise + 0.035f * imaging.Artifacts

        let mutable state =
            uint64 (Seed.uniform (Seed.named "noise" seed) * 9007199254740992.0) ||| 1UL

        for row in 0 .. side - 1 do
            let above, below = max 0 (row - 1) * side, min (side - 1) (row + 1) * side
            let y = (float32 row + 0.5f) / float32 side

            for column in 0 .. side - 1 do
                let index = row * side + column

                let left, right =
                    row * side + max 0 (column - 1), row * side + min (side - 1) (column + 1)

                let depth = inside optics ((float32 column + 0.5f) / float32 side) y
                let shown = PhantomNoise.step 0f 0.012f depth

                if depth < 0.003f then
                    labels[index] <- 0uy

                state <- state * 6364136223846793005UL + 1442695040888963407UL
                let grey = float32 (int (state >>> 40) &&& 0xFFF) / 2048f - 1f

                for channel in 0..2 do
                    let plane = planes[channel]
                    let middle = plane[index]

                    let edge =
                        4f * middle
                        - plane[left]
                        - plane[right]
                        - plane[above + column]
                        - plane[below + column]

                    let colour = float32 (int (state >>> (20 + 7 * channel)) &&& 0xFFF) / 2048f - 1f

                    let value =
                        shown * (middle + sharpening * edge)
                        + noise * (1f * grey + 0.8f * colour)
                        + 0.012f

                    rgb[index * 3 + channel] <- byte (MathF.Min(255f, MathF.Max(0f, 255f * value + 0.5f)))

        let picture: Picture =
            {
                Width = side
                Height = side
                Rgb = rgb
                Orientation = Orientation.TopLeft
            }

        picture
