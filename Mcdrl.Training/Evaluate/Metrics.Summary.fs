namespace Mcdrl

/// Mean and spread of some numbers; undefined ones (NaN) are left out and not counted.
type Spread =
    {
        /// NaN if nothing is defined.
        Mean: float
        /// With n - 1 in the denominator; 0 for a single number.
        StandardDeviation: float
        /// Numbers that are defined.
        Count: int
    }

/// The scores of one site.
type SiteSummary =
    {
        /// The site's name; `all` for all together.
        Site: string
        /// Frames that were scored.
        Images: int
        /// Over the frames, 0 to 1.
        Dice: Spread
        /// Over the frames, 0 to 1.
        Iou: Spread
        /// Normalised surface distance, see `SurfaceDistance`; over the frames whatever the protocol, 0 to 1.
        Nsd: Spread
        /// Share of pixels that agree, over the frames. No headline: background decides it.
        Accuracy: Spread
    }

/// How a number was computed; it is printed with every number.
[<RequireQualifiedAccess>]
type Protocol =
    /// Mean over images of the foreground score; the project's own.
    | Imagewise
    /// All pixels of all images as one image.
    | Micro
    /// Mean over images and 256 thresholds.
    | PraNet256
    /// Mean over images of the mean of background and foreground.
    | BackgroundForeground

/// The protocols by name and in words.
[<RequireQualifiedAccess>]
module Protocol =
    /// Every protocol with its name, the default first.
    let all =
        [
            Protocol.Imagewise, "imagewise"
            Protocol.Micro, "micro"
            Protocol.PraNet256, "pranet256"
            Protocol.BackgroundForeground, "bgfg"
        ]

    /// Its name on the command line and in reports.
    let name protocol =
        match protocol with
        | Protocol.Imagewise -> "imagewise"
        | Protocol.Micro -> "micro"
        | Protocol.PraNet256 -> "pranet256"
        | Protocol.BackgroundForeground -> "bgfg"

    /// The protocol of a name.
    let parse (text: string) : Result<Protocol, McdrlError> =
        match all |> List.tryFind (fun (_, name) -> name = text) with
        | Some(protocol, _) -> Ok protocol
        | None ->
            let known = all |> List.map snd |> String.concat ", "
            Error(McdrlError.usage $"there is no protocol {text}" "“protocol”" $"Use one of {known}")

    /// Threshold, resolution, empty rule and aggregation in one line.
    let describe protocol =
        match protocol with
        | Protocol.Imagewise ->
            "foreground, most probable class (0.5 for one class), original size, empty-empty 1, false positives on empty 0, mean over images"
        | Protocol.Micro ->
            "foreground, most probable class (0.5 for one class), original size, all pixels of all images as one image"
        | Protocol.PraNet256 ->
            "foreground, soft map stretched to 0..1, mean over 256 thresholds, original size, empty 0, mean over images"
        | Protocol.BackgroundForeground ->
            "mean of background and foreground, most probable class (0.5 for one class), original size, empty-empty 1, mean over images"

/// Means, spreads and quantiles of scores.
[<RequireQualifiedAccess>]
module Summary =
    /// The quantile `share`, 0 to 1, of one number or more in ascending order: linear between neighbours, as NumPy and R do
    /// it (type 7 of Hyndman and Fan, 1996).
    let quantile (share: float) (sorted: float[]) =
        let place = share * float (sorted.Length - 1)
        let below = int place
        let above = min (below + 1) (sorted.Length - 1)
        sorted[below] + (place - float below) * (sorted[above] - sorted[below])

    /// Mean and standard deviation of the defined numbers.
    let spread (values: float seq) : Spread =
        let defined = values |> Seq.filter (System.Double.IsNaN >> not) |> Array.ofSeq
        let mean = Metrics.mean defined

        let deviation =
            if defined.Length < 2 then
                0.0
            else
                let squares = defined |> Array.sumBy (fun value -> (value - mean) * (value - mean))
                sqrt (squares / float (defined.Length - 1))

        {
            Mean = mean
            StandardDeviation = deviation
            Count = defined.Length
        }

    /// The summary of a site from the scores and the normalised surface distances of its images.
    let ofSite site (scores: Score seq) (distances: float seq) : SiteSummary =
        let scores = Array.ofSeq scores

        {
            Site = site
            Images = scores.Length
            Dice = scores |> Seq.map _.Dice |> spread
            Iou = scores |> Seq.map _.Iou |> spread
            Nsd = spread distances
            Accuracy = scores |> Seq.map _.Accuracy |> spread
        }

    /// The site with the lowest mean Dice; the first of equals. Sites without a defined Dice are left out.
    let worst (sites: SiteSummary list) : SiteSummary option =
        match sites |> List.filter (fun site -> not (System.Double.IsNaN site.Dice.Mean)) with
        | [] -> None
        | defined -> Some(List.minBy _.Dice.Mean defined)
