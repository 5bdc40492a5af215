namespace Mcdrl

open System
open System.IO
open FsToolkit.ErrorHandling

/// A map of numbers in a 16-bit grey PNG of the mask's size: the number is `Black` + sample / 65535 · (`White` − `Black`).
type MapReport =
    {
        /// A 16-bit grey PNG in the orientation of the image file.
        File: string
        /// What a sample of 0 stands for.
        Black: float
        /// What a sample of 65535 stands for.
        White: float
        /// Mean over the map, in its unit.
        Mean: float
        /// The largest value of the map, in its unit.
        Max: float
    }

/// The answer under one condition.
type ConditionReport =
    {
        /// Its words in the dictionary.
        Condition: string
        /// Its share of the adjusted answer.
        Weight: float
        /// Mean KL divergence from the adjusted answer in nats.
        Influence: float
        /// Dice of its mask and the mask given.
        Dice: float
        /// Pixels in which the two differ.
        ChangedPixels: int64
        /// The mask under do(condition).
        Mask: string
    }

/// Attention against exact adjustment.
type GapReport =
    {
        /// ½ Σ_k |p − q| of the two answers, mean over the pixels of the network's input, 0 to 1.
        MeanTotalVariation: float
        /// The same, the largest of all pixels.
        MaxTotalVariation: float
        /// Dice of the two masks, all lesion classes together; 1 where both are empty.
        Dice: float
        /// Pixels of the image whose class differs.
        FlippedPixels: int64
        /// 255 where the two masks differ.
        Flips: string
        /// The mask that attention gives.
        Mask: string
    }

/// Where the model looked.
type RegionsReport =
    {
        /// Rows of cells in the tower's map.
        Rows: int
        /// Cells a row.
        Columns: int
        /// Cells that MTRS selected (Eq. 6), of `Rows` times `Columns`.
        SelectedCells: int
        /// 255 where the cell was selected.
        Selected: string
        /// The cosine of cell and class words, the largest over the classes.
        Similarity: MapReport
    }

/// What `segment --explain` says about an image. Files are named relative to the report.
type ExplanationReport =
    {
        /// The conditions play a part in the answer.
        Active: bool
        /// The conclusions in plain words.
        Summary: string
        /// The condition that would change the answer most; absent where none would to speak of.
        MostInfluential: string option
        /// The answer under each condition alone, in the order of the dictionary.
        Conditions: ConditionReport list
        /// I(Y; Z | F) in nats.
        MutualInformation: MapReport
        /// −log Z_geo in nats.
        GeometricDisagreement: MapReport
        /// m where the m-th of `Conditions` matters most, 0 where none matters: a palette PNG.
        Strongest: string
        /// Its KL divergence from the adjusted answer in nats.
        StrongestInfluence: MapReport
        /// Pixels whose class changes under at least one condition.
        UnstablePixels: int64
        /// How far Eq. 8, attention over the conditions, is from backdoor adjustment.
        Attention: GapReport
        /// Where the model looked.
        Regions: RegionsReport
        /// The picture sheet.
        Sheet: string
    }

/// Explanations as files.
[<RequireQualifiedAccess>]
module ExplanationFiles =
    /// A name as part of a file's name: letters and digits, dashes for the rest.
    let private slug (name: string) =
        name
        |> String.map (fun letter ->
            if Char.IsLetterOrDigit letter then
                Char.ToLowerInvariant letter
            else
                '-')
        |> FileName.ofText

    let private writeMap save folder name black (map: ValueMap) : Result<MapReport, McdrlError> =
        let highest = float (Array.max map.Values)
        let white = if highest > black then highest else black + 1.0

        let sample (value: float32) =
            uint16 (Math.Round(65535.0 * Math.Clamp((float value - black) / (white - black), 0.0, 1.0)))

        let report =
            {
                File = $"{folder}/{name}"
                Black = black
                White = white
                Mean = map.Values |> Array.averageBy float
                Max = highest
            }

        save name (fun (stream: Stream) ->
            Png.write16 stream map.Width map.Height (fun visit ->
                for y in 0 .. map.Height - 1 do
                    visit (Array.map sample (Array.sub map.Values (y * map.Width) map.Width))))
        |> Result.map (fun () -> report)

    let private writeMask save folder name (map: LabelMap) =
        save name (fun stream -> Masks.pngTo stream map)
        |> Result.map (fun () -> $"{folder}/{name}")

    let private flags (map: LabelMap) : LabelMap =
        { map with
            Labels = map.Labels |> Array.map (fun label -> if label = 0uy then 0uy else 255uy)
        }

    /// How alike each cell and the class most like it are, at the size of an upright picture: the largest cosine, -1 to 1.
    let similarity (width: int) (height: int) (regions: RegionsSeen) : ValueMap =
        let columns, rows = regions.Selected.Width, regions.Selected.Height

        let cell =
            Array.init (columns * rows) (fun cell ->
                regions.Similarity |> Seq.map (fun map -> map.Values[cell]) |> Seq.max)

        {
            Width = width
            Height = height
            Values =
                Array.init (width * height) (fun pixel ->
                    let x, y = pixel % width, pixel / width

                    cell[int (int64 y * int64 rows / int64 height) * columns
                         + int (int64 x * int64 columns / int64 width)])
        }

    let private writeConditions save folder inFile (explanation: ExplanationResult) =
        explanation.Conditions
        |> List.mapi (fun index answer -> index + 1, answer)
        |> List.traverseResultM (fun (number, answer) ->
            writeMask save folder $"do-{number:D2}-{slug answer.Condition}.png" (inFile answer.Mask)
            |> Result.map (fun file ->
                {
                    Condition = answer.Condition
                    Weight = answer.Weight
                    Influence = answer.Influence
                    Dice = answer.Dice
                    ChangedPixels = answer.Changed
                    Mask = file
                }))

    let private writeGap save folder inFile (gap: AttentionGap) =
        result {
            let! flips = writeMask save folder "flips.png" (flags (inFile gap.FlipMap))
            let! mask = writeMask save folder "attention.png" (inFile gap.Mask)

            return
                {
                    MeanTotalVariation = gap.MeanTotalVariation
                    MaxTotalVariation = gap.MaxTotalVariation
                    Dice = gap.Dice
                    FlippedPixels = gap.Flips
                    Flips = flips
                    Mask = mask
                }
        }

    let private writeRegions
        save
        folder
        (picture: Picture)
        inFile
        (valuesInFile: ValueMap -> ValueMap)
        (regions: RegionsSeen)
        =
        result {
            let selected =
                regions.Selected
                |> LabelMap.resized picture.Width picture.Height
                |> inFile
                |> flags

            let! selected = writeMask save folder "regions.png" selected
            let similarity = similarity picture.Width picture.Height regions |> valuesInFile

            let! similarity =
                writeMap save folder "similarity.png" (float (Array.min similarity.Values)) similarity

            return
                {
                    Rows = regions.Selected.Height
                    Columns = regions.Selected.Width
                    SelectedCells = Array.sumBy int regions.Selected.Labels
                    Selected = selected
                    Similarity = similarity
                }
        }

    /// Hands every map, in the orientation of the image's file, to `save`: its name within `folder`, and what writes it as a PNG. `folder` and
    /// `sheet` are what the report calls the maps' folder and the sheet.
    let report
        (save: string -> (Stream -> unit) -> Result<unit, McdrlError>)
        (folder: string)
        (sheet: string)
        (picture: Picture)
        (explanation: ExplanationResult)
        : Result<ExplanationReport, McdrlError> =
        result {
            let inFile = LabelMap.inFile picture.Orientation
            let valuesInFile = ValueMap.inFile picture.Orientation

            let map file values =
                writeMap save folder file 0.0 (valuesInFile values)

            let! information = map "mutual-information.png" explanation.MutualInformation
            let! geometric = map "geometric-disagreement.png" explanation.GeometricDisagreement
            let! influence = map "strongest-influence.png" explanation.StrongestInfluence

            let colours =
                [|
                    0uy, 0uy, 0uy
                    for index in 0 .. min 254 explanation.Conditions.Length - 1 do
                        let colour = SheetPictures.ofCondition index
                        colour.Red, colour.Green, colour.Blue
                |]

            let strongest = inFile explanation.Strongest

            do!
                save "strongest.png" (fun stream ->
                    Png.write stream strongest.Width strongest.Height (Some colours) strongest.Labels)

            let! conditions = writeConditions save folder inFile explanation
            let! gap = writeGap save folder inFile explanation.Gap

            let! regions =
                writeRegions save folder picture inFile valuesInFile explanation.Regions

            return
                {
                    Active = explanation.Active
                    Summary = Conclusions.sentences explanation |> String.concat " "
                    MostInfluential = Conclusions.mostInfluential explanation |> Option.map _.Condition
                    Conditions = conditions
                    MutualInformation = information
                    GeometricDisagreement = geometric
                    Strongest = $"{folder}/strongest.png"
                    StrongestInfluence = influence
                    UnstablePixels = explanation.Unstable
                    Attention = gap
                    Regions = regions
                    Sheet = sheet
                }
        }

    /// Writes the sheet to `sheet` and all maps, in the orientation of the image's file, into `folder`. `name` is what
    /// the image is called on the sheet.
    let write
        (folder: string)
        (sheet: string)
        (name: string)
        (picture: Picture)
        (explanation: ExplanationResult)
        : Result<ExplanationReport, McdrlError> =
        let nameOf (path: string) = nonNull (Path.GetFileName path)

        result {
            let! report =
                report
                    (fun file -> Files.writeAtomically (Path.Combine(folder, file)))
                    (nameOf folder)
                    (nameOf sheet)
                    picture
                    explanation

            do! Sheet.write sheet name picture explanation
            return report
        }
