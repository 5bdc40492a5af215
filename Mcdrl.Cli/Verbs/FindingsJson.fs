namespace Mcdrl.Cli

open System.Text.Json.Nodes
open Mcdrl

/// Findings as JSON: shares from 0 to 1, null where a figure isn't defined.
[<RequireQualifiedAccess>]
module FindingsJson =
    /// How the figures are defined, by key.
    let definitions () : JsonNode | null =
        Json.object [ for name, words in SiteFindings.definitions -> name, Json.text words ]

    let private interval (interval: Interval) : JsonNode | null =
        if System.Double.IsNaN interval.Estimate then
            null
        else
            Json.object
                [
                    "estimate", Json.number interval.Estimate
                    "low", Json.number interval.Low
                    "high", Json.number interval.High
                ]

    let private size (counts: SizeCounts) : JsonNode | null =
        Json.object
            [
                "size", Json.text (LesionSize.name counts.Size)
                "frames", Json.whole (int64 counts.Frames)
                "lesions", Json.whole (int64 counts.Lesions)
                "found", Json.whole (int64 counts.Found)
            ]

    /// A bin's share of all pixels, the mean P(lesion) of its pixels, and the share of lesion in them.
    let private reliability (calibration: Calibration) : JsonNode | null =
        let frames = float calibration.Frames

        Json.array
            [
                for pixels, predicted, positive in
                    List.zip3 calibration.Pixels calibration.Predicted calibration.Positive ->
                    Json.object
                        [
                            "pixels", Json.number (pixels / frames)
                            "predicted", Json.number (predicted / pixels)
                            "lesion", Json.number (positive / pixels)
                        ]
                    :> _
            ]

    let private curve (curve: RiskCurve) : JsonNode | null =
        Json.array
            [
                for point in curve.Points ->
                    Json.object [ "coverage", Json.number point.Coverage; "risk", Json.number point.Risk ]
                    :> _
            ]

    /// Of a site, or of all together.
    let ofSite (site: SiteFindings) : JsonNode | null =
        Json.object
            [
                "site", Json.text site.Site
                "images", Json.whole (int64 site.Frames)
                "with_lesion", Json.whole (int64 site.WithLesion)
                "empty_marked_images", Json.whole (int64 site.EmptyMarked)
                "lesions", Json.whole (int64 site.Lesions)
                "found", Json.whole (int64 site.Found)
                "false_positive_regions", Json.whole (int64 site.FalsePositives)
                "intervals_of", Json.text site.Drawn
                "tolerance_percent_of_diagonal", Json.number (100.0 * SurfaceDistance.tolerance)
                "tolerance_pixels", site.TolerancePixels |> Seq.map Json.number |> Json.array
                "sizes", site.Sizes |> Seq.map size |> Json.array

                for figure in site.Figures do
                    Finding.key figure.Finding, interval figure.Interval

                "brier_of_prevalence", Json.number (Calibration.referenceBrier site.Calibration)
                "reliability", reliability site.Calibration
                "risk_coverage", Json.object [ for kind in site.RiskCoverage -> kind.Uncertainty, curve kind ]
            ]

    /// Fields of a frame.
    let ofFrame (frame: FrameFindings) : (string * (JsonNode | null)) list =
        [
            "foreground_dice", Json.number frame.Dice
            "nsd", Json.number frame.Nsd
            "tolerance_pixels", Json.number frame.TolerancePixels
            "pixels", Json.whole frame.Pixels
            "marked_pixels", Json.whole frame.MarkedArea
            "lesions",
            Json.array
                [
                    for lesion in frame.Lesions ->
                        Json.object
                            [
                                "pixels", Json.whole lesion.Area
                                "size", Json.text (LesionSize.name (FrameFindings.sizeOf frame lesion))
                                "found", Json.flag lesion.Found
                            ]
                        :> _
                ]
            "false_positive_regions", Json.whole (int64 frame.FalsePositives)
            "ece", Json.number frame.Ece
            "brier", Json.number frame.Brier
            for name, kind in FrameUncertainty.kinds do
                name, Json.number (kind frame.Uncertainty)
            match frame.Group with
            | Some group -> FrameGroup.noun group.Kind, Json.text group.Name
            | None -> ()
        ]
