namespace Mcdrl

open System

/// The vessels under the mucosa: branching trees, drawn into the blood map.
[<RequireQualifiedAccess>]
module PhantomVessels =
    /// A straight piece of vessel, in the scene.
    [<Struct>]
    type private Piece =
        {
            X0: float32
            Y0: float32
            X1: float32
            Y1: float32
            Width: float32
        }

    let rec private grow (seed: Seed) (x: float) (y: float) (heading: float) (width: float) (length: int) =
        seq {
            let mutable x, y, heading, width = x, y, heading, width

            for piece in 0 .. length - 1 do
                let seed = Seed.split piece seed
                heading <- heading + (seed |> Seed.named "bend" |> Seed.between -0.42 0.42)
                let reach = seed |> Seed.named "reach" |> Seed.between 0.018 0.034
                let nextX, nextY = x + reach * cos heading, y + reach * sin heading

                yield
                    {
                        X0 = float32 x
                        Y0 = float32 y
                        X1 = float32 nextX
                        Y1 = float32 nextY
                        Width = float32 width
                    }

                x <- nextX
                y <- nextY
                width <- width * 0.97

                if length > 4 && Seed.uniform (Seed.named "fork" seed) < 0.28 then
                    let side =
                        if Seed.uniform (Seed.named "side" seed) < 0.5 then
                            -1.0
                        else
                            1.0

                    let angle = heading + side * (seed |> Seed.named "angle" |> Seed.between 0.5 1.1)
                    yield! grow (Seed.named "branch" seed) x y angle (width * 0.62) (length * 3 / 5)
        }

    let private draw (fields: PhantomFields) amount (piece: Piece) =
        let half = 0.5f * piece.Width
        // A vessel thinner than a pixel is drawn a pixel wide and fainter.
        let soft = MathF.Max(half, 0.6f * fields.Pitch)
        let strength = amount * MathF.Min(1f, half / soft)
        let reach = 1.6f * soft
        let middleX, middleY = 0.5f * (piece.X0 + piece.X1), 0.5f * (piece.Y0 + piece.Y1)
        let dx, dy = piece.X1 - piece.X0, piece.Y1 - piece.Y0
        let square = dx * dx + dy * dy
        let wide = 0.5f * MathF.Sqrt square + reach

        let struct (left, right, top, bottom) =
            PhantomFields.window fields middleX middleY wide

        for row in top..bottom do
            let y = PhantomFields.y fields row - piece.Y0

            for column in left..right do
                let x = PhantomFields.x fields column - piece.X0
                let t = MathF.Min(1f, MathF.Max(0f, (x * dx + y * dy) / square))
                let ex, ey = x - t * dx, y - t * dy
                let away = MathF.Sqrt(ex * ex + ey * ey)

                if away < reach then
                    let index = row * fields.Side + column
                    let fade = 1f - away / reach
                    let added = strength * fade * MathF.Min(1f, 1.6f * fade)
                    fields.Dark[index] <- MathF.Max(fields.Dark[index], added)

    /// Draws the trees of `scene` into `Dark` as haemoglobin on its own; `settle` moves it to the blood map.
    let fill (scene: Scene) (fields: PhantomFields) =
        let seed = Seed.named "vessels" scene.Seed

        let amount =
            float32 (scene.Site.Vascularity * (seed |> Seed.named "amount" |> Seed.between 0.5 1.2))

        let trees = 5 + Seed.below 6 (Seed.named "trees" seed)

        for tree in 0 .. trees - 1 do
            let seed = Seed.split tree seed

            let at name low high =
                seed |> Seed.named name |> Seed.between low high

            for piece in
                grow
                    (Seed.named "grow" seed)
                    (at "x" -0.3 1.3)
                    (at "y" -0.3 1.3)
                    (at "heading" 0.0 6.28)
                    (at "width" 0.004 0.014)
                    14 do
                draw fields amount piece

        for index in 0 .. fields.Dark.Length - 1 do
            fields.Blood[index] <- fields.Blood[index] + 1.3f * fields.Dark[index]
            fields.Dark[index] <- 0f
