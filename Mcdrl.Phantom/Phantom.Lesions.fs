namespace Mcdrl

open System

/// The five lesions: each raises, colours and textures the mucosa in its own way and marks its area.
[<RequireQualifiedAccess>]
module PhantomLesions =
    /// The colour (linear red, green, blue) that `Pale` mixes in, by class.
    let pigment (lesion: Lesion option) =
        match lesion with
        | Some { Class = 1 } -> struct (0.68f, 0.43f, 0.26f)
        | Some { Class = 2 } -> struct (0.82f, 0.74f, 0.55f)
        | Some { Class = 3 } -> struct (0.82f, 0.50f, 0.25f)
        | Some { Class = 4 } -> struct (0.52f, 0.42f, 0.50f)
        | _ -> struct (0.75f, 0.5f, 0.35f)

    /// An ellipse with a wavy outline.
    type private Outline =
        {
            X: float32
            Y: float32
            Radius: float32
            Cos: float32
            Sin: float32
            /// Short axis over long axis.
            Aspect: float32
            Waviness: float32
            Waves: float32
            Phase: float32
        }

    /// Distance from the outline's centre as a share of its radius there: 1 on the outline.
    let private relative (table: float32[]) outline x y =
        let dx, dy = x - outline.X, y - outline.Y
        let along = (outline.Cos * dx + outline.Sin * dy) / outline.Radius

        let across =
            (outline.Cos * dy - outline.Sin * dx) / (outline.Radius * outline.Aspect)

        let distance = MathF.Sqrt(along * along + across * across)
        let inverse = outline.Waves / (distance + 1e-4f)

        let wave =
            PhantomNoise.at table 1f (outline.Phase + along * inverse) (across * inverse)

        distance / (1f + outline.Waviness * wave)

    let private outline (seed: Seed) x y radius aspect waviness waves =
        let turn = seed |> Seed.named "turn" |> Seed.between 0.0 3.1416

        {
            X = x
            Y = y
            Radius = radius
            Cos = float32 (cos turn)
            Sin = float32 (sin turn)
            Aspect = aspect
            Waviness = waviness
            Waves = waves
            Phase = seed |> Seed.named "phase" |> Seed.between 0.0 200.0 |> float32
        }

    /// Calls `paint index x y ρ` for every pixel within `reach` radii of an outline.
    let inline private over
        (fields: PhantomFields)
        table
        outline
        reach
        ([<InlineIfLambda>] paint: int -> float32 -> float32 -> float32 -> unit)
        =
        let struct (left, right, top, bottom) =
            PhantomFields.window fields outline.X outline.Y (reach * outline.Radius * (1f + outline.Waviness))

        for row in top..bottom do
            let y = PhantomFields.y fields row

            for column in left..right do
                let x = PhantomFields.x fields column
                let rho = relative table outline x y

                if rho < reach then
                    paint (row * fields.Side + column) x y rho

    /// A dome: 1 in the middle, 0 at ρ = 1, with a steep rim for a large `bluntness`.
    let private dome bluntness rho =
        if rho >= 1f then
            0f
        else
            let square = rho * rho

            (1f - square)
            * (if bluntness then
                   1.75f - 0.75f * (1f - square)
               else
                   1.35f - 0.35f * (1f - square))

    /// Where the lesion's own look has replaced the mucosa's: 0 on the outline, 1 a little inside.
    let private within rho = PhantomNoise.step 1f 0.84f rho

    /// Light on and beside a raised edge: less in the corner that it makes with the mucosa.
    let private contact depth rho =
        if rho < 1f then
            1f - depth * PhantomNoise.step 0.72f 1f rho
        else
            1f - depth * PhantomNoise.step 1.32f 1f rho

    /// Mixes `mine` in by `share`.
    let inline private mix (share: float32) (mine: float32) (old: float32) = old + share * (mine - old)

    let private drawn (seed: Seed) name low high =
        seed |> Seed.named name |> Seed.between low high |> float32

    let private polyp seed (table: float32[]) (fields: PhantomFields) (lesion: Lesion) =
        let drawn = drawn seed
        let x, y, radius = float32 lesion.X, float32 lesion.Y, float32 lesion.Radius
        let shape = outline seed x y radius (drawn "aspect" 0.7 1.0) 0.16f 0.9f
        let height = radius * drawn "height" 0.35 0.75
        let redder = drawn "redder" 0.05 0.4
        let lumps = drawn "lumps" 1.6 3.2 / radius
        let lumpy = drawn "lumpy" 0.0 0.22
        let pits = drawn "pits" 26.0 40.0
        let shown = PhantomNoise.shown fields.Pitch pits
        let label = byte (lesion.Class + 1)

        if Seed.uniform (Seed.named "stalk" seed) < 0.35 then
            let angle = drawn "stalk angle" 0.0 6.28
            let reach = radius * drawn "stalk reach" 0.6 0.9
            let aspect = 0.3f * radius / reach

            let stalk =
                { outline
                      seed
                      (x + 0.95f * radius * cos angle)
                      (y + 0.95f * radius * sin angle)
                      reach
                      aspect
                      0f
                      1f with
                    Cos = cos angle
                    Sin = sin angle
                }

            over fields table stalk 1.3f (fun index _ _ rho ->
                fields.Height[index] <- fields.Height[index] + 0.35f * radius * dome false rho
                fields.Light[index] <- fields.Light[index] * contact 0.3f rho

                if rho < 0.94f then
                    fields.Labels[index] <- label)

        over fields table shape 1.35f (fun index x y rho ->
            let share = within rho
            let lump = PhantomNoise.at table lumps x y
            let pit = shown * PhantomNoise.at table pits x y
            let rise = dome true rho

            fields.Height[index] <-
                fields.Height[index] * (1f - 0.7f * share)
                + height * rise * (1f + lumpy * lump)
                + 0.0026f * share * pit

            fields.Light[index] <-
                mix share (MathF.Max(fields.Light[index], 0.55f + 0.3f * rise)) fields.Light[index]
                * contact 0.28f rho

            fields.Blood[index] <-
                mix
                    share
                    (MathF.Min(fields.Blood[index], 1.4f) * (1f + redder) + 0.25f * pit + 0.2f * lump)
                    fields.Blood[index]

            if rho < 1f then
                fields.Labels[index] <- label)

    let private tumor seed (table: float32[]) (fields: PhantomFields) (lesion: Lesion) =
        let drawn = drawn seed
        let radius = float32 lesion.Radius

        let shape =
            outline seed (float32 lesion.X) (float32 lesion.Y) radius (drawn "aspect" 0.7 0.95) 0.3f 1.6f

        let height = radius * drawn "height" 0.25 0.5
        let ulcer = drawn "ulcer" 0.2 0.6
        let redder = drawn "redder" 0.05 0.5
        let necrosis = drawn "necrosis" 0.35 0.8
        let lobes = drawn "lobes" 1.6 2.8 / radius
        let label = byte (lesion.Class + 1)

        over fields table shape 1.35f (fun index x y rho ->
            let share = within rho
            let lobe = 1f - 1.7f * MathF.Abs(PhantomNoise.at table lobes x y)
            let rough = PhantomNoise.fractal table 24f x y
            let patch = PhantomNoise.fractal table (0.8f * lobes) -y x
            let bed = PhantomNoise.step (ulcer + 0.1f) (ulcer - 0.2f) (rho + 0.3f * patch)
            let rise = dome true rho * (0.6f + 0.4f * lobe)

            fields.Height[index] <-
                fields.Height[index] * (1f - 0.7f * share)
                + height * (rise - 0.5f * bed)
                + 0.006f * share * rough

            fields.Light[index] <-
                mix share (MathF.Max(fields.Light[index], 0.62f)) fields.Light[index]
                * contact 0.33f rho
                * (1f - 0.35f * share * MathF.Max(0f, -lobe))

            fields.Blood[index] <-
                mix
                    share
                    (1f + redder + 0.5f * patch + 0.4f * rough + 0.4f * MathF.Max(0f, -lobe))
                    fields.Blood[index]

            fields.Pale[index] <- share * (0.6f * bed * (0.7f + 0.5f * rough) + 0.12f * MathF.Max(0f, lobe))

            fields.Dark[index] <-
                necrosis
                * PhantomNoise.step 0.2f 0.6f (PhantomNoise.fractal table 13f y x)
                * PhantomNoise.step 0.95f 0.6f rho

            fields.Gloss[index] <- 1f + 0.3f * share

            if rho < 1f then
                fields.Labels[index] <- label)

    let private inflammation seed (table: float32[]) (fields: PhantomFields) (lesion: Lesion) =
        let drawn = drawn seed
        let x, y, radius = float32 lesion.X, float32 lesion.Y, float32 lesion.Radius
        let shape = outline seed x y radius (drawn "aspect" 0.6 0.95) 0.32f 1.3f
        let redder = drawn "redder" 0.5 1.1
        let exudate = drawn "exudate" 0.38 0.7
        let shown = PhantomNoise.shown fields.Pitch 48f
        let label = byte (lesion.Class + 1)

        over fields table shape 1.4f (fun index x y rho ->
            let ragged = rho + 0.14f * PhantomNoise.fractal table 14f x y
            let share = PhantomNoise.step 1.18f 0.75f ragged
            let granule = shown * PhantomNoise.at table 48f x y
            let coarse = PhantomNoise.fractal table 17f y x

            let speck =
                PhantomNoise.step exudate (exudate + 0.25f) (PhantomNoise.fractal table 21f -x y)

            fields.Height[index] <- fields.Height[index] + share * (0.003f * granule + 0.003f * coarse)

            fields.Blood[index] <-
                fields.Blood[index]
                + share * redder * (0.75f + 0.35f * coarse + 0.35f * granule)

            fields.Pale[index] <- 0.7f * share * speck
            fields.Gloss[index] <- 1f + 0.5f * share

            if ragged < 0.965f then
                fields.Labels[index] <- label)

    let private nodule seed (table: float32[]) (fields: PhantomFields) (lesion: Lesion) =
        let drawn = drawn seed
        let radius = float32 lesion.Radius
        let count = 1 + Seed.below 3 (Seed.named "count" seed)
        let pale = drawn "pale" 0.15 0.42
        let relief = drawn "height" 0.35 0.65
        let turn = drawn "group" 0.0 6.28
        let label = byte (lesion.Class + 1)

        for part in 0 .. count - 1 do
            let seed = Seed.split part seed

            let size =
                if count = 1 then
                    radius
                else
                    radius * (seed |> Seed.named "size" |> Seed.between 0.42 0.56 |> float32)

            let away = if count = 1 then 0f else radius - size
            let angle = turn + 6.2832f * float32 part / float32 count

            let shape =
                outline
                    seed
                    (float32 lesion.X + away * cos angle)
                    (float32 lesion.Y + away * sin angle)
                    size
                    (seed |> Seed.named "aspect" |> Seed.between 0.82 1.0 |> float32)
                    0.08f
                    0.8f

            over fields table shape 1.3f (fun index x y rho ->
                let share = within rho
                let rise = dome false rho
                let tone = PhantomNoise.fractal table 8f x y

                fields.Height[index] <- fields.Height[index] * (1f - 0.6f * share) + size * relief * rise

                fields.Light[index] <-
                    mix share (MathF.Max(fields.Light[index], 0.6f + 0.3f * rise)) fields.Light[index]
                    * contact 0.3f rho

                fields.Blood[index] <- fields.Blood[index] * (1f - 0.28f * share) + 0.08f * share * tone

                fields.Pale[index] <-
                    MathF.Max(
                        fields.Pale[index],
                        pale * (0.75f + 0.35f * tone) * PhantomNoise.step 1f 0.45f rho
                    )

                fields.Gloss[index] <- 1f + 0.3f * share

                if rho < 1f then
                    fields.Labels[index] <- label)

    let private cyst seed (table: float32[]) (fields: PhantomFields) (lesion: Lesion) =
        let drawn = drawn seed
        let x, y, radius = float32 lesion.X, float32 lesion.Y, float32 lesion.Radius
        let shape = outline seed x y radius (drawn "aspect" 0.75 1.0) 0.09f 0.7f
        let height = radius * drawn "height" 0.35 0.65
        let pale = drawn "pale" 0.2 0.55
        let mesh = drawn "mesh" 1.2 1.8 / radius
        let label = byte (lesion.Class + 1)

        over fields table shape 1.25f (fun index x y rho ->
            let share = within rho
            let rise = dome false rho
            // Fine vessels: the zero lines of a smooth noise, here and there.
            let line = MathF.Abs(PhantomNoise.fractal table mesh x y)
            let some = PhantomNoise.step -0.3f 0.3f (PhantomNoise.at table (0.7f * mesh) y x)
            let vessel = share * some * PhantomNoise.step 0.07f 0.015f line
            let rim = PhantomNoise.step 0.76f 0.92f rho * PhantomNoise.step 1.02f 0.94f rho
            fields.Height[index] <- fields.Height[index] * (1f - 0.75f * share) + height * rise

            fields.Light[index] <-
                mix share (0.65f + 0.35f * rise) fields.Light[index]
                * contact 0.3f rho
                * (1f + 0.18f * rim)

            fields.Blood[index] <-
                mix share (0.4f * fields.Blood[index] + 0.3f) fields.Blood[index]
                + 0.55f * vessel
                + 0.2f * rim

            fields.Pale[index] <-
                share * pale * (1f - 0.4f * rim) * (1f - 0.5f * vessel) * (0.6f + 0.4f * rise)

            fields.Gloss[index] <- 1f + 0.9f * share

            if rho < 1f then
                fields.Labels[index] <- label)

    /// Draws the scene's lesion, if it has one, and marks its pixels with class + 1.
    let fill (scene: Scene) (table: float32[]) (fields: PhantomFields) =
        let seed = Seed.named "lesion details" scene.Seed

        match scene.Lesion with
        | None -> ()
        | Some lesion ->
            match lesion.Class with
            | 0 -> polyp seed table fields lesion
            | 1 -> tumor seed table fields lesion
            | 2 -> inflammation seed table fields lesion
            | 3 -> nodule seed table fields lesion
            | _ -> cyst seed table fields lesion
