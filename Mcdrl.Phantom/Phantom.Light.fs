namespace Mcdrl

open System

/// Three planes of linear light.
[<NoComparison; NoEquality>]
type PhantomLight =
    {
        /// Of each pixel, row by row.
        Red: float32[]
        /// Of each pixel, row by row.
        Green: float32[]
        /// Of each pixel, row by row.
        Blue: float32[]
    }

/// Light on tissue: lamp, relief, haemoglobin, films, specular reflexes.
[<RequireQualifiedAccess>]
module PhantomLight =
    /// Exposure that brings the mean to where a processor holds it; it gives way slowly, as processors do.
    let private expose (light: PhantomLight) =
        let mutable sum = 0f

        for index in 0 .. light.Green.Length - 1 do
            sum <-
                sum
                + 0.5f * light.Red[index]
                + 0.4f * light.Green[index]
                + 0.1f * light.Blue[index]

        MathF.Pow(0.32f / MathF.Max(0.02f, sum / float32 light.Green.Length), 0.7f)

    /// The light that leaves the tissue towards the camera, exposed.
    let fall
        (scene: Scene)
        (imaging: PhantomImaging)
        (table: float32[])
        (films: float32[])
        (fields: PhantomFields)
        =
        let side = fields.Side
        let pixels = side * side

        let light =
            {
                Red = Array.zeroCreate pixels
                Green = Array.zeroCreate pixels
                Blue = Array.zeroCreate pixels
            }

        let drawn name low high =
            scene.Seed |> Seed.named name |> Seed.between low high |> float32

        let lampX, lampY = drawn "lamp x" 0.38 0.62, drawn "lamp y" 0.36 0.6
        let reach = float32 scene.Optics.LampReach
        let wet = drawn "wet" 0.5 1.3 * (0.6f + 0.4f * imaging.Specular)
        let limit = drawn "limit" 0.9972 0.9988 - 0.0016f * (imaging.Specular - 1f)
        let warmth = float32 scene.Optics.Warmth + imaging.Warmth
        let warmRed, warmBlue = MathF.Exp(0.55f * warmth), MathF.Exp(-1.1f * warmth)
        let struct (pigmentR, pigmentG, pigmentB) = PhantomLesions.pigment scene.Lesion
        let narrow = imaging.Narrow
        let wide = 1f - narrow
        let slope = 0.5f / fields.Pitch
        let mucusEdge = 0.62f - 0.95f * imaging.Mucus
        let bloodEdge = 0.62f - 0.9f * imaging.Blood

        for row in 0 .. side - 1 do
            let above, below = max 0 (row - 1) * side, min (side - 1) (row + 1) * side
            let frameY = (float32 row + 0.5f) / float32 side
            let sceneY = PhantomFields.y fields row

            for column in 0 .. side - 1 do
                let index = row * side + column
                let frameX = (float32 column + 0.5f) / float32 side
                let sceneX = PhantomFields.x fields column
                let left, right = max 0 (column - 1), min (side - 1) (column + 1)

                // Films fill hollows: where they are thick the relief is gone.
                let mutable mucus, blood = 0f, 0f

                if imaging.Mucus > 0f then
                    let edge = MathF.Max(0f, films[index] - mucusEdge)
                    mucus <- 1f - MathF.Exp(-3.2f * edge)

                if imaging.Blood > 0f then
                    blood <- 2.6f * MathF.Max(0f, films[index] - bloodEdge)

                let smooth = 1f / (1f + 1.5f * mucus + 1.2f * blood)

                let dx =
                    smooth
                    * slope
                    * (fields.Height[row * side + right] - fields.Height[row * side + left])

                let dy =
                    smooth * slope * (fields.Height[below + column] - fields.Height[above + column])

                let normal = 1f / MathF.Sqrt(1f + dx * dx + dy * dy)
                let lx, ly = lampX - frameX, lampY - frameY
                let away = lx * lx + ly * ly
                let lampZ = 0.6f
                let ray = 1f / MathF.Sqrt(away + lampZ * lampZ)
                // Lambert's law, relative to flat tissue at the same place.
                let facing = MathF.Max(0.3f, (lampZ - dx * lx - dy * ly) * normal / lampZ)
                let mutable arriving = fields.Light[index] * facing / (1f + away / (reach * reach))

                if imaging.Uneven > 0f then
                    let towards = (frameX - 0.5f) * imaging.UnevenX + (frameY - 0.5f) * imaging.UnevenY

                    arriving <-
                        arriving * (1f - 0.95f * imaging.Uneven * PhantomNoise.step -0.3f 0.3f towards)

                let hb = fields.Blood[index] * (1f - 0.5f * mucus)
                let pale = fields.Pale[index]
                let bright = 1f - fields.Dark[index]
                let mutable r = 0.8f * MathF.Exp(-0.36f * hb)
                let mutable g = 0.58f * MathF.Exp(-1.08f * hb)
                let mutable b = 0.47f * MathF.Exp(-1.26f * hb)
                r <- r + pale * (pigmentR - r)
                g <- g + pale * (pigmentG - g)
                b <- b + pale * (pigmentB - b)

                if mucus > 0f then
                    r <- r + mucus * (0.66f - r)
                    g <- g + mucus * (0.55f - g)
                    b <- b + mucus * (0.36f - b)

                if blood > 0f then
                    r <- r * MathF.Exp(-0.45f * blood)
                    g <- g * MathF.Exp(-2.1f * blood)
                    b <- b * MathF.Exp(-2.0f * blood)

                if narrow > 0f then
                    // 540 nm shows as red, 415 nm as green and blue; haemoglobin absorbs both.
                    let dose = hb + 1.4f * blood
                    let at540 = 0.95f * MathF.Exp(-1.45f * dose)
                    let at415 = 1.55f * MathF.Exp(-1.75f * dose)
                    let cover = MathF.Max(pale, mucus)
                    let n540 = at540 + cover * (0.5f * g + 0.1f - at540)
                    let n415 = at415 + cover * (0.9f * b + 0.12f - at415)
                    r <- wide * r + narrow * n540
                    g <- wide * g + narrow * n415
                    b <- wide * b + narrow * 0.86f * n415

                let half = MathF.Sqrt(away + (lampZ + 1f / ray) * (lampZ + 1f / ray))
                let mirrored = ((lampZ + 1f / ray) - dx * lx - dy * ly) * normal / half
                let gloss = fields.Gloss[index] * (1f + mucus + 0.6f * blood)

                let mutable specular = 0f

                if mirrored > limit - 0.002f then
                    let patch =
                        PhantomNoise.step
                            -0.1f
                            0.55f
                            (PhantomNoise.fractal table 11f sceneX -sceneY + 0.12f * (gloss - 1f))

                    specular <-
                        wet
                        * gloss
                        * patch
                        * PhantomNoise.step (limit - 0.002f) (limit + 0.002f) mirrored
                        * fields.Light[index]

                let lit = arriving * bright
                light.Red[index] <- (lit * r + specular) * warmRed
                light.Green[index] <- lit * g + specular
                light.Blue[index] <- (lit * b + specular) * warmBlue

        let gain = expose light * float32 scene.Optics.Gain * imaging.Gain

        for index in 0 .. pixels - 1 do
            light.Red[index] <- gain * light.Red[index] + imaging.Veil
            light.Green[index] <- gain * light.Green[index] + imaging.Veil
            light.Blue[index] <- gain * light.Blue[index] + imaging.Veil

        light

    /// Where mucus or blood gathers: one smooth field in about [−1, 1], or none where no film is asked for.
    let films (imaging: PhantomImaging) (seed: Seed) (fields: PhantomFields) : float32[] =
        if imaging.Mucus <= 0f && imaging.Blood <= 0f then
            Array.empty
        else
            let table = PhantomNoise.table (Seed.named "films" seed)
            let side = fields.Side
            let film = Array.zeroCreate (side * side)

            for row in 0 .. side - 1 do
                let y = PhantomFields.y fields row

                for column in 0 .. side - 1 do
                    let x = PhantomFields.x fields column
                    let index = row * side + column
                    let bend = 0.12f * PhantomNoise.at table 3f y x

                    film[index] <-
                        PhantomNoise.fractal table 2.6f (x + bend) (y - bend)
                        + 0.12f * PhantomNoise.fractal table 16f x y

            film
