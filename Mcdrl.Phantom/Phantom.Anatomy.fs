namespace Mcdrl

open System

/// Healthy mucosa: relief, folds, lumen, colour.
[<RequireQualifiedAccess>]
module PhantomAnatomy =
    /// Fills relief, light and blood of the whole frame.
    let fill (scene: Scene) (table: float32[]) (fields: PhantomFields) =
        let drawn name low high =
            scene.Seed |> Seed.named name |> Seed.between low high |> float32

        let lumenX, lumenY = float32 scene.LumenX, float32 scene.LumenY
        let tube = scene.Anatomy = Anatomy.Tube

        let folding =
            match scene.Anatomy with
            | Anatomy.Tube -> 1f
            | Anatomy.Folds -> drawn "folding" 0.6 1.0
            | Anatomy.Wall -> drawn "folding" 0.0 0.25

        let density =
            if tube then
                drawn "density" 1.1 2.1
            else
                drawn "density" 1.3 2.8

        let triangular = drawn "triangular" 0.0 0.28
        let turn = drawn "turn" 0.0 6.28
        let turnCos, turnSin = cos turn, sin turn
        let opening = drawn "opening" 0.06 0.24
        let tilt = drawn "tilt" 0.1 1.3
        let crest = drawn "crest" 0.45 0.85
        let redness = float32 scene.Site.Redness * drawn "redness" 0.75 1.35
        let mottle = drawn "mottle" 0.15 0.42
        let grain = drawn "grain" 0.02 0.07
        let swell = drawn "swell" 0.02 0.07
        let bumps = drawn "bumps" 0.0014 0.0045
        let pitch = fields.Pitch
        let fine = PhantomNoise.shown pitch 70f
        let finer = PhantomNoise.shown pitch 130f
        let medium = PhantomNoise.shown pitch 22f

        for row in 0 .. fields.Side - 1 do
            let y = PhantomFields.y fields row

            for column in 0 .. fields.Side - 1 do
                let x = PhantomFields.x fields column
                let index = row * fields.Side + column
                let warp = PhantomNoise.at table 2.3f x y
                let vx, vy = x - lumenX, y - lumenY
                let mutable along = 0f
                let mutable depth = 1f

                if tube then
                    let radius = MathF.Sqrt(vx * vx + vy * vy) + 1e-4f
                    let c, s = vx / radius, vy / radius
                    let cos3, sin3 = c * (4f * c * c - 3f), s * (3f - 4f * s * s)

                    let bent =
                        radius
                        * (1f
                           + triangular * (cos3 * turnCos - sin3 * turnSin)
                           + 0.22f * PhantomNoise.at table 1.3f c s)

                    along <- 0.45f * warp - density * MathF.Log(bent + 0.04f)
                    depth <- bent * bent / (bent * bent + opening * opening)
                else
                    along <- density * (turnCos * vx + turnSin * vy) + 0.8f * warp
                    depth <- MathF.Max(0.25f, 1f - tilt * (turnSin * vx - turnCos * vy + 0.3f))

                let phase = along - MathF.Floor along
                // From the groove up the lit face to the crest, then a sudden drop behind it.
                let face = phase * phase * (3f - 2f * phase)
                let edge = PhantomNoise.step 1f 0.86f phase
                let uneven = 0.65f + 0.35f * PhantomNoise.at table 1.7f -y x
                let raised = folding * uneven * face * edge
                let mottling = PhantomNoise.fractal table 2.7f x y
                let bump = medium * PhantomNoise.at table 22f x y
                let pores = fine * PhantomNoise.at table 70f x y
                let dust = finer * PhantomNoise.at table 130f y x

                fields.Height[index] <-
                    0.05f * raised * depth
                    + swell * PhantomNoise.at table 1.9f y x
                    + 0.016f * PhantomNoise.at table 4.3f y x
                    + bumps * (bump + 0.4f * pores)

                fields.Light[index] <- depth * (1f - folding * uneven * crest * (1f - face * edge))

                fields.Blood[index] <-
                    redness
                    * (1f + mottle * mottling + grain * (pores + 0.6f * dust) + 0.3f * (1f - depth))
