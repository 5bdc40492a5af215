namespace Mcdrl

open System
open SkiaSharp
open Mcdrl.SheetLayout

/// One picture that shows why a model answers as it does, to be read without a manual.
[<RequireQualifiedAccess>]
module Sheet =
    /// Nats on a scale from 0 to the most that is possible; equal steps of the root are about equal steps of probability
    /// (Pinsker's inequality), so the root is what is shown.
    let private shareOf (most: float) (nats: float) = sqrt (max 0.0 nats / most)

    let private mostDisagreement (explanation: ExplanationResult) =
        let answers = explanation.Segmentation.Classes.Length + 1
        log (float (max 2 (min answers (Conclusions.weighed explanation).Length)))

    let private quoted (names: string list) =
        match names with
        | [ one ] -> $"“{one}”"
        | [ one; two ] -> $"“{one}” or “{two}”"
        | names -> $"for one of its {names.Length} classes"

    let private meaningOf (explanation: ExplanationResult) =
        match explanation.Active, explanation.Segmentation.Mode with
        | _, Marginalisation.Rendered ->
            "The outline is the model's answer for this frame, averaged over the imaging conditions done to its pixels."
        | false, _
        | true, Marginalisation.Never -> "The outline is the model's answer for this frame."
        | true, Marginalisation.Exact ->
            "The outline is the model's answer for this frame, averaged over the imaging conditions it knows."
        | true, Marginalisation.Nwgm ->
            "The outline is the model's answer for this frame: the geometric mean over the imaging conditions it knows."
        | true, Marginalisation.FeatureMean
        | true, Marginalisation.Sampled ->
            "The outline is the model's answer for this frame, from features averaged over the imaging conditions it knows."
        | true, Marginalisation.Attention ->
            "The outline is the model's answer for this frame, the imaging conditions weighed by attention."
        | true, Marginalisation.Custom ->
            "The outline is made of what the model says under each imaging condition it knows, by a function of its user's own."

    let private markedPanel canvas (frame: Picture) (explanation: ExplanationResult) =
        let segmentation = explanation.Segmentation
        let present = LabelMap.shares segmentation.Upright

        {
            Title = "1  What was marked"
            Words = meaningOf explanation
            Draw =
                fun box ->
                    drawPicture canvas box frame
                    drawMask canvas box 2f segmentation.Upright
            Foot =
                fun box room ->
                    let x, y = box.Left, box.Bottom + 14f

                    if present.IsEmpty then
                        text canvas bright normal x (y + normal) "nothing marked"

                    for index, (label, share) in List.indexed (List.truncate 6 present) do
                        let y = y + rowHeight * float32 index
                        swatch canvas (Drawing.paintOf label) x (y + 3f)
                        let words = Drawing.percent share
                        let name = fitted normal (room - 120f) segmentation.Classes[label - 1]
                        text canvas bright normal (x + 24f) (y + normal) $"{name}  {words}"

                    if present.Length > 6 then
                        text
                            canvas
                            plain
                            normal
                            x
                            (y + rowHeight * 6f + normal)
                            $"and {present.Length - 6} more classes"

                    y + rowHeight * float32 (max 1 (min 7 present.Length))
        }

    let private lookedPanel canvas place (frame: Picture) (explanation: ExplanationResult) =
        let seen = explanation.Regions.Selected
        let similarity = explanation.Regions.Similarity

        let best: ValueMap =
            { similarity.Head with
                Values =
                    Array.init similarity.Head.Values.Length (fun cell ->
                        similarity |> Seq.map (fun map -> map.Values[cell]) |> Seq.max)
            }

        let low, high = float (Array.min best.Values), float (Array.max best.Values)

        let share =
            float (Array.sumBy int seen.Labels) / float seen.Labels.Length
            |> fun share -> number "0" (100.0 * share) + " %"

        {
            Title = $"{place}  Where the model looked"
            Words =
                $"In colour: the {share} of the frame that look most like the words {quoted explanation.Segmentation.Classes}. Dark: not considered for the conditions."
            Draw =
                fun box ->
                    drawPicture canvas box (SheetPictures.looked seen best (low, high) frame)
                    drawDashed canvas box 1.6f explanation.Segmentation.Upright
            Foot =
                fun box room ->
                    let x, y = box.Left, box.Bottom + 14f

                    colourBar
                        canvas
                        x
                        y
                        room
                        SheetPictures.likeness
                        "least alike"
                        "most alike"
                        [ 0.0, number "0.00" low; 1.0, number "0.00" high ]
        }

    let private surePanel canvas (frame: Picture) (explanation: ExplanationResult) =
        let segmentation = explanation.Segmentation
        let highest, mean = Conclusions.confidence segmentation

        let marked =
            match segmentation.Marking.Threshold with
            | None -> "Marked: pixels whose most probable class is a lesion."
            | Some threshold -> $"Marked: pixels from {Conclusions.probability threshold} on."

        {
            Title = "2  How sure the model is"
            Words =
                "The probability, by this model, that a pixel shows a lesion. Grey: near 0. A lesion that the model half sees is coloured here though nothing is marked."
            Draw =
                fun box ->
                    SheetPictures.probable (SegmentationResult.lesionProbability segmentation) frame
                    |> drawPicture canvas box

                    drawDashed canvas box 1.6f segmentation.Upright
            Foot =
                fun box room ->
                    let x, y = box.Left, box.Bottom + 14f
                    let ticks = [ for value in [ 0.0; 0.25; 0.5; 0.75; 1.0 ] -> value, string value ]

                    let below =
                        colourBar canvas x y room SheetPictures.likeness "no lesion" "lesion" ticks

                    let average =
                        match mean with
                        | Some mean -> $", {Conclusions.probability mean} on average where marked"
                        | None -> ""

                    paragraph
                        canvas
                        bright
                        normal
                        x
                        below
                        room
                        $"Highest {Conclusions.probability highest}{average}. {marked}"
        }

    let private stablePanel canvas (frame: Picture) (explanation: ExplanationResult) =
        let most = mostDisagreement explanation
        let conditions = (Conclusions.weighed explanation).Length
        let pixels = float explanation.Strongest.Labels.Length

        {
            Title = "3  How stable, had it been taken differently"
            Words =
                $"Dark: stable, the same answer, right or wrong, under all {conditions} imaging conditions (blur, light, mucus …). Bright: the answer depends on the condition."
            Draw =
                fun box ->
                    SheetPictures.heated (shareOf most) explanation.MutualInformation frame
                    |> drawPicture canvas box

                    drawDashed canvas box 1.6f explanation.Segmentation.Upright
            Foot =
                fun box room ->
                    let x, y = box.Left, box.Bottom + 14f

                    let ticks =
                        [
                            for nats in [ 0.0; 0.01; 0.05; 0.2; 0.4 ] do
                                if shareOf most nats < 0.85 then
                                    shareOf most nats, string nats
                            1.0, number "0.00" most + " nats"
                        ]

                    let below =
                        colourBar canvas x y room SheetPictures.heat "stable" "contradicting answers" ticks

                    let unstable = Drawing.percent (float explanation.Unstable / pixels)

                    paragraph
                        canvas
                        bright
                        normal
                        x
                        below
                        room
                        $"{unstable} of the pixels change class under at least one condition."
        }

    /// The outline under each condition, small; returns where the next row begins.
    let private multiples canvas y (aspect: float32) (frame: Picture) (explanation: ExplanationResult) =
        let columns, between, most = 6, 16f, 24

        let shown =
            if explanation.Conditions.Length <= most then
                explanation.Conditions
            else
                explanation.Conditions |> List.sortBy _.Dice |> List.truncate most

        let room = (width - 2f * margin - between * float32 (columns - 1)) / float32 columns
        let height = min (room / aspect) 300f
        let small = SheetPictures.resized (int (height * aspect)) (int height) frame

        text
            canvas
            bright
            large
            margin
            (y + large)
            "4  The outline, had the frame been taken under each condition"

        let words =
            "Coloured: the outline under this condition. White dashes: the outline of picture 1. Dice 1.00: the two are the same, 0: nothing in common."
            + (if shown.Length < explanation.Conditions.Length then
                   $" The {most} conditions that differ most, of {explanation.Conditions.Length}."
               else
                   "")

        let top =
            paragraph canvas plain normal margin (y + 36f) (width - 2f * margin) words + 10f

        let step = height + 72f

        shown
        |> List.iteri (fun index answer ->
            let x = margin + float32 (index % columns) * (room + between)
            let y = top + float32 (index / columns) * step
            let box = SKRect.Create(x, y, height * aspect, height)
            drawPicture canvas box small
            drawMask canvas box 1.2f answer.Mask
            drawDashed canvas box 1.6f explanation.Segmentation.Upright
            let colour = if answer.Dice < 0.8 then amber else plain
            let dice = $"Dice {Conclusions.dice answer.Dice}"
            text canvas bright normal x (y + height + 22f) (fitted normal room answer.Condition)
            text canvas colour normal x (y + height + 45f) dice)

        top + step * float32 ((shown.Length + columns - 1) / columns)

    /// Bars of the conditions' influences, the largest first; returns where they end.
    let private bars (canvas: SKCanvas) (explanation: ExplanationResult) x y room =
        let most = 12

        let ordered =
            explanation.Conditions
            |> List.indexed
            |> List.filter (fun (_, answer) -> answer.Weight > 0.0)
            |> List.sortBy (fun (_, answer) -> -answer.Influence)

        let largest = max (10.0 * Conclusions.negligible) (snd ordered.Head).Influence
        let names, figures = 190f, 74f
        let step = 33f

        ordered
        |> List.truncate most
        |> List.iteri (fun place (index, answer) ->
            let y = y + step * float32 place

            let colour =
                if place = 0 && answer.Influence >= Conclusions.negligible then
                    amber
                else
                    bright

            let length = float32 (answer.Influence / largest) * (room - names - figures - 20f)
            text canvas colour normal x (y + normal + 1f) (fitted normal names answer.Condition)
            use paint = new SKPaint(Color = SheetPictures.ofCondition index, IsAntialias = true)
            canvas.DrawRoundRect(x + names + 10f, y + 2f, max 2f length, 20f, 3f, 3f, paint)

            let figure =
                if answer.Influence < 1e-5 then
                    "<0.01"
                else
                    number "0.00" (1000.0 * answer.Influence)

            text canvas colour normal (x + names + 18f + length) (y + normal + 1f) figure)

        if ordered.Length > most then
            text
                canvas
                plain
                normal
                x
                (y + step * float32 most + normal)
                $"and {ordered.Length - most} more with less influence"

        y + step * float32 (min (most + 1) ordered.Length)

    let private barsPanel canvas (explanation: ExplanationResult) =
        let strongest =
            match Conclusions.mostInfluential explanation with
            | Some most -> $"Matters most: {most.Condition}"
            | None -> "No condition matters"

        {
            Title = $"6  {strongest}"
            Words =
                "How far the answer under each condition alone is from the answer over all of them (KL divergence, thousandths of a nat)."
            Draw = ignore
            Foot = fun box room -> bars canvas explanation box.Left box.Top room
        }

    let private wherePanel canvas (frame: Picture) (explanation: ExplanationResult) =
        let most = mostDisagreement explanation

        {
            Title = "7  Which condition, where"
            Words =
                "Each pixel in the colour of its most influential condition, the colours of the bars; grey where none matters."
            Draw =
                fun box ->
                    SheetPictures.named
                        explanation.Strongest
                        (shareOf most)
                        explanation.StrongestInfluence
                        frame
                    |> drawPicture canvas box

                    drawDashed canvas box 1.6f explanation.Segmentation.Upright
            Foot = fun box _ -> box.Bottom
        }

    let private gapPanel canvas (frame: Picture) (explanation: ExplanationResult) =
        let gap = explanation.Gap
        let pixels = float gap.FlipMap.Labels.Length

        {
            Title = "8  Averaging against attention"
            Words =
                "Outlined: the answer if attention weighs the conditions by the look of the frame, quicker but no adjustment. Magenta: what changes."
            Draw =
                fun box ->
                    drawPicture canvas box (SheetPictures.flagged gap.FlipMap magenta frame)
                    drawMask canvas box 1.2f gap.Mask
            Foot =
                fun box room ->
                    let x, y = box.Left, box.Bottom + 14f

                    let percent value = number "0.0" (100.0 * value)

                    let words =
                        $"{gap.Flips} pixels differ ({Drawing.percent (float gap.Flips / pixels)}), Dice {Conclusions.dice gap.Dice}. Probabilities differ by {percent gap.MeanTotalVariation} points on average, {percent gap.MaxTotalVariation} at most."

                    paragraph canvas bright normal x y room words
        }

    let private header canvas (name: string) (explanation: ExplanationResult) =
        let room = width - 2f * margin
        text canvas bright 30f margin 60f (fitted 30f (room - 420f) name)

        Drawing.write
            canvas
            amber
            20f
            SKTextAlign.Right
            (width - margin)
            57f
            "Research software, not for clinical use"

        Conclusions.sentences explanation
        |> String.concat " "
        |> paragraph canvas bright 20f margin 78f room

    let private compose canvas name (picture: Picture) (explanation: ExplanationResult) =
        let aspect = Math.Clamp(float32 picture.Width / float32 picture.Height, 0.25f, 4f)
        let height = pictureHeight 3 aspect

        let frame =
            SheetPictures.resized (max 1 (int (height * aspect))) (max 1 (int height)) picture

        let y = header canvas name explanation + 22f

        let marked = markedPanel canvas frame explanation
        let sure = surePanel canvas frame explanation

        if Conclusions.comparesConditions explanation then
            let y = row canvas y aspect [ marked; sure; stablePanel canvas frame explanation ]
            let y = multiples canvas y aspect frame explanation + space

            row
                canvas
                y
                aspect
                [
                    lookedPanel canvas 5 frame explanation
                    barsPanel canvas explanation
                    wherePanel canvas frame explanation
                    gapPanel canvas frame explanation
                ]
        else
            row canvas y aspect [ marked; sure; lookedPanel canvas 3 frame explanation ]

    /// The sheet as a PNG 1680 pixels wide. `name` is what the frame is called on it.
    let png (name: string) (picture: Picture) (explanation: ExplanationResult) : Result<byte[], McdrlError> =
        use recorder = new SKPictureRecorder()
        let canvas = recorder.BeginRecording(SKRect.Create(width, 20000f))
        let height = compose canvas name picture explanation
        use recording = recorder.EndRecording()

        let info =
            SKImageInfo(int width, int height, SKColorType.Rgba8888, SKAlphaType.Opaque)

        use surface = SKSurface.Create info
        surface.Canvas.Clear background
        surface.Canvas.DrawPicture recording
        Drawing.encode "sheet" surface

    /// `png` into a file.
    let write (path: string) name picture explanation : Result<unit, McdrlError> =
        png name picture explanation
        |> Result.bind (fun bytes ->
            Files.writeAtomically path (fun stream -> stream.Write(ReadOnlySpan bytes)))
