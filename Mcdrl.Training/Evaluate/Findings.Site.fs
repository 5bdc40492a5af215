namespace Mcdrl

/// A figure with its 95 % interval.
type IntervalFinding =
    {
        /// What it is.
        Finding: Finding
        /// NaN where the frames have nothing that it could be of.
        Interval: Interval
    }

/// Counts behind the figures of a size.
type SizeCounts =
    {
        /// The size.
        Size: LesionSize
        /// Frames whose largest lesion has it.
        Frames: int
        /// Lesions that have it.
        Lesions: int
        /// Those that were found.
        Found: int
    }

/// Frames kept, most certain first, and the mean risk of those kept.
type RiskAtCoverage =
    {
        /// Share of the frames that are kept, 0 to 1.
        Coverage: float
        /// Mean of 1 − Dice over them.
        Risk: float
    }

/// A risk–coverage curve by one uncertainty.
type RiskCurve =
    {
        /// One of `FrameUncertainty.kinds`.
        Uncertainty: string
        /// At coverage 10 %, 20 %, …, 100 % (the next whole frame); empty where the model has no such uncertainty.
        Points: RiskAtCoverage list
    }

/// What a results page owes its readers about one site, or about all together (Metrics Reloaded, Maier-Hein et al., 2024): figures with
/// their intervals, the counts behind them, and whether probabilities mean what they say. A record that JSON, pages and model cards print.
type SiteFindings =
    {
        /// The site's name; `all` for all together.
        Site: string
        /// Frames that were scored.
        Frames: int
        /// Those with a lesion.
        WithLesion: int
        /// Those without one on which anything is marked.
        EmptyMarked: int
        /// True lesions.
        Lesions: int
        /// Those that were found.
        Found: int
        /// Components that meet no true lesion.
        FalsePositives: int
        /// From small to large.
        Sizes: SizeCounts list
        /// What intervals draw again, e.g. `12 patients`, `88 images`.
        Drawn: string
        /// Every figure of `Finding.all`.
        Figures: IntervalFinding list
        /// The tolerance of NSD in pixels, of the smallest frame and of the largest.
        TolerancePixels: float list
        /// Reliability of P(lesion), bin by bin.
        Calibration: Calibration
        /// One for each of `FrameUncertainty.kinds`.
        RiskCoverage: RiskCurve list
    }

/// Sums frames up.
[<RequireQualifiedAccess>]
module SiteFindings =
    /// How the figures are defined, by key, in words that are printed with them.
    let definitions: (string * string) list =
        [
            "foreground",
            "all lesion classes together, the most probable class of each pixel, at the frame's own size"
            "nsd",
            "share of both outlines within 1 % of the image's diagonal of the other outline; an outline is the mask's pixels with a neighbour outside along an edge, Euclidean distance, both directions pooled; 1 where neither mask marks anything, 0 where one does"
            "lesions",
            $"components of 8-connected pixels, found by {LesionDetection.rule}; every other component of the answer is a false positive"
            "sizes",
            "area of a lesion as a share of its frame: small below 1/300, large from 3/100 (COCO's 32² and 96² pixels on 640 × 480); a frame is as large as its largest lesion"
            "lowest_decile_dice", "the 10 % quantile over frames, linear between neighbours"
            "calibration",
            $"P(lesion) against truth over all pixels, {Calibration.bins} bins of equal width; every frame weighs the same"
            "aurc",
            "frames kept in the order of rising uncertainty, risk 1 − Dice, mean over all coverages; its value for uncertainty that tells nothing is 1 − mean Dice"
            "intervals",
            $"95 %%, percentile bootstrap of {Bootstrap.resamples} resamples within sites, of patients or sequences where dataset.json names them, of images where it doesn't; Wilson's where a share is 0 or 1"
        ]

    let private curve (frames: FrameFindings[]) (name, uncertainty) : RiskCurve =
        let risks = RiskCoverage.curve (Finding.cases uncertainty frames)

        {
            Uncertainty = name
            Points =
                [
                    if risks.Length > 0 then
                        for tenth in 1..10 do
                            let kept = (risks.Length * tenth + 9) / 10

                            {
                                Coverage = float kept / float risks.Length
                                Risk = risks[kept - 1]
                            }
                ]
        }

    /// Of the frames of some sites, at least one frame in all, under a name.
    let create (name: string) (sites: FrameFindings seq list) : SiteFindings =
        let seed = Seed.create 1UL |> Seed.named "findings" |> Seed.named name
        let sites = sites |> List.map (FrameFindings.drawnTogether _.Group)
        let frames = sites |> List.map Array.concat |> Array.concat

        let lesions =
            frames
            |> Array.collect (fun frame -> [| for lesion in frame.Lesions -> frame, lesion |])

        let found = Array.filter (fun (_, lesion: DetectedLesion) -> lesion.Found)
        let tolerances = frames |> Array.map _.TolerancePixels

        {
            Site = name
            Frames = frames.Length
            WithLesion = frames |> Seq.filter FrameFindings.hasLesion |> Seq.length
            EmptyMarked =
                frames
                |> Seq.filter (fun frame -> not (FrameFindings.hasLesion frame) && frame.MarkedArea > 0L)
                |> Seq.length
            Lesions = lesions.Length
            Found = (found lesions).Length
            FalsePositives = frames |> Array.sumBy _.FalsePositives
            Sizes =
                [
                    for size in LesionSize.all do
                        let sized =
                            lesions
                            |> Array.filter (fun (frame, lesion) -> FrameFindings.sizeOf frame lesion = size)

                        {
                            Size = size
                            Frames =
                                frames
                                |> Seq.filter (fun frame -> FrameFindings.size frame = Some size)
                                |> Seq.length
                            Lesions = sized.Length
                            Found = (found sized).Length
                        }
                ]
            Drawn =
                sites
                |> Seq.collect id
                |> Seq.map (fun drawn -> drawn[0].Group)
                |> FrameGroup.describe
            Figures =
                [
                    for finding, interval in Finding.intervals Bootstrap.resamples seed sites ->
                        {
                            Finding = finding
                            Interval = interval
                        }
                ]
            TolerancePixels = [ Array.min tolerances; Array.max tolerances ]
            Calibration = frames |> Seq.choose _.Calibration |> Calibration.sum
            RiskCoverage = FrameUncertainty.kinds |> List.map (curve frames)
        }

    /// A figure's interval.
    let figure (finding: Finding) (site: SiteFindings) : Interval =
        (site.Figures |> List.find (fun figure -> figure.Finding = finding)).Interval
