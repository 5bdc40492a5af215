namespace Mcdrl

open Giraffe.ViewEngine

/// All that an experiment's page shows. An empty list is left out of it.
[<NoComparison; NoEquality>]
type ExperimentPage =
    {
        /// By the protocol's own Dice.
        Report: ExperimentReport
        /// The same by class-aware Dice, for datasets of several classes.
        ClassAware: ExperimentReport option
        /// The runs that the report is of.
        Methods: MethodRuns list
        /// Frames as they are and under conditions, where runs were judged under them.
        Conditioned: ConditionedFigures list
        /// Dice over a condition's strength, where the design draws it.
        Curves: RobustnessCurve list
        /// Frames by their features, where the design draws them.
        Maps: EmbeddedMap list
        /// Frames with outlines, where the design draws them.
        Sheet: SheetFrame list
    }

/// The page of an experiment.
[<RequireQualifiedAccess>]
module ExperimentPage =
    let private result (report: ExperimentReport) =
        let name =
            ExperimentFigures.reference report
            |> Option.map _.Label
            |> Option.defaultValue report.Facts.Reference

        let spread =
            "After ±: standard deviation over seeds of the mean over a site's images; a single seed has none."

        let published =
            if ExperimentTables.hasPublished report then
                " Published: the average in the paper. It is of other data and other towers, and stands here for orientation."
            else
                ""

        Page.section
            "The result"
            [
                if not report.Rivals.IsEmpty then
                    Page.figure
                        $"The mean Dice of {name} minus each other method's, in percentage points, on the same images; right of 0 {name} is better. Lines are 95 %% intervals: bootstrap over images (patients or sequences where they are known) within each site, {report.Resamples} resamples, sites with equal weight, each image a mean over the seeds that both have."
                        [ ExperimentFigures.differences report ]

                Page.figure
                    $"Mean Dice in %%. {spread} The difference is that of the figure above, with its 95 %% interval. Bold: highest of the column, and differences whose interval excludes 0.{published}"
                    [ ExperimentTables.dice report ]
            ]

    let private classAware (page: ExperimentPage) =
        match page.ClassAware with
        | None -> []
        | Some report ->
            [
                Page.section
                    "With its name"
                    [
                        Page.paragraph
                            "Above, a lesion counts as found whatever it is called. Here it must be called by its name: on each image the mean over the classes that truth or answer shows, 1 where neither shows any."
                        div [ _class "outcome" ] (ExperimentWording.lead report |> List.map Page.paragraph)
                        if not report.Rivals.IsEmpty then
                            Page.figure
                                "Class-aware Dice: the reference minus each other method, in percentage points, with 95 % intervals as above."
                                [ ExperimentFigures.differences report ]
                        Page.figure "Mean class-aware Dice in %." [ ExperimentTables.classAware report ]
                    ]
            ]

    let private scores (report: ExperimentReport) =
        Page.section
            "Site by site"
            [
                Page.figure
                    "Mean Dice in %. The thin line is one standard deviation over seeds to either side."
                    (ExperimentFigures.bars report)

                if not report.Rivals.IsEmpty then
                    Page.figure
                        "The reference's mean Dice minus each other method's, in percentage points, with its 95 % interval. Bold: the interval excludes 0."
                        [ ExperimentTables.differences report ]

                Page.figure "Mean IoU in %." [ ExperimentTables.score report _.Iou ]
            ]

    let private findings (report: ExperimentReport) =
        if report.Methods |> List.forall _.Findings.IsEmpty then
            []
        else
            let chance =
                "A method whose Dice is higher has less risk to begin with: compare AURC with its value by chance, 1 − mean Dice, and with the best order there is."

            [
                Page.section
                    "What the mean hides"
                    [
                        Page.paragraph
                            "Over the frames of all sites together, each frame with the same weight; ±: standard deviation over seeds. Of the foreground, all classes together. Bold: best of the column."
                        Page.figure
                            "Dice in %: mean, median, the decile below which a tenth of the frames lies, frames with a lesion, and frames by the size of their largest lesion; normalised surface distance in %."
                            [ ExperimentFindings.dice report ]
                        Page.figure
                            "Lesions found in %, all and by size; components a frame that are no lesion; of the frames without a lesion, % on which anything is marked, and % of their area that is."
                            [ ExperimentFindings.lesions report ]
                        Page.figure
                            $"Calibration of P(lesion) over pixels, and the mean risk, 1 − Dice, when the most certain frames are kept (AURC), by disagreement and by entropy; lower is better. {chance}"
                            [ ExperimentFindings.certainty report ]
                        dl
                            [ _class "facts" ]
                            [
                                for name, words in SiteFindings.definitions do
                                    dt [] [ str (name.Replace('_', ' ')) ]
                                    dd [] [ str words ]
                            ]
                    ]
            ]

    let private images (page: ExperimentPage) =
        match ExperimentFigures.scatter page.Report page.Methods with
        | [] -> []
        | panels ->
            [
                Page.section
                    "Image by image"
                    [
                        Page.figure
                            "One mark an image, its Dice a mean over the seeds that both methods have. Above the diagonal the reference is better."
                            [ ExperimentFigures.siteKey page.Report; div [ _class "plots" ] panels ]
                    ]
            ]

    let private classes (report: ExperimentReport) =
        if report.Facts.Classes.IsEmpty then
            []
        else
            [
                Page.section
                    "Lesion classes"
                    [
                        Page.figure
                            "Mean Dice in % of each class, over the frames of all sites together on which the truth or the answer shows it."
                            [ ExperimentTables.classes report ]
                    ]
            ]

    let private sweep (report: ExperimentReport) =
        let name =
            match report.Facts.Name with
            | "table4" -> Some "number M of confounders"
            | "table5" -> Some "depth L of the causal network"
            | _ -> None

        match name, ExperimentPublished.tryFind report.Facts.Name with
        | Some name, Some table ->
            [
                Page.section
                    $"Dice by {name}"
                    [
                        Page.figure
                            "Mean over sites. The axis doesn't begin at 0."
                            (ExperimentFigures.sweep report table name)
                    ]
            ]
        | _ -> []

    let private robustness (page: ExperimentPage) =
        if page.Curves.IsEmpty then
            []
        else
            [
                Page.section
                    "Under worse conditions"
                    [
                        Page.figure
                            "Mean Dice on unseen frames to which a condition was added, from none (0) to full strength (1); whiskers are one standard deviation over seeds. The axes of Dice differ from plot to plot and need not begin at 0."
                            (ExperimentFigures.robustness page.Report page.Curves)
                    ]
            ]

    let private conditioned (page: ExperimentPage) =
        if page.Conditioned.IsEmpty then
            []
        else
            let frames =
                page.Conditioned.Head.Report.Methods
                |> List.collect _.Sites
                |> List.map _.Images
                |> List.max

            [
                Page.section
                    "Under imaging conditions"
                    [
                        Page.paragraph
                            $"Up to {frames} frames of each unseen site, evenly spaced, as they are and with each condition done to their pixels at strength {Conditions.typical}, that of training's pairs. Robust Dice is a frame's mean over itself and all of them. Foreground Dice at the network's input size."
                        Page.figure "Mean Dice in %." [ ExperimentTables.conditioned page.Conditioned ]
                        if not page.Report.Rivals.IsEmpty then
                            Page.figure
                                "The reference's mean Dice minus each other method's, in percentage points, with its 95 % interval over frames; in the last column under the condition where the other is worst. Bold: the interval excludes 0."
                                [ ExperimentTables.conditionedDifferences page.Conditioned ]
                    ]
            ]

    let private maps (page: ExperimentPage) =
        if page.Maps.IsEmpty then
            []
        else
            [
                Page.section
                    "What the features hold together"
                    [
                        Page.figure
                            "t-SNE maps of the images' features. Only neighbourhood means something: distances between groups, their sizes and their places must not be read. The silhouette is that of the classes in the features themselves, before the map: −1 to 1, higher where classes are further apart."
                            (ExperimentFigures.maps page.Report page.Maps)
                    ]
            ]

    let private sheet (page: ExperimentPage) =
        if page.Sheet.IsEmpty then
            []
        else
            [
                Page.section
                    "Frames"
                    [
                        Page.paragraph
                            "Of each site the frames on which the reference is best, median and worst. Each picture has the truth's outline and the method's, and its Dice in % under it."
                        yield! ExperimentFigures.sheet page.Sheet
                    ]
            ]

    let private published (report: ExperimentReport) =
        match ExperimentPublished.tryFind report.Facts.Name with
        | None -> []
        | Some table ->
            let small =
                if table.Name = "table1" then
                    " Dice, and under it IoU / accuracy."
                else
                    ""

            [
                Page.section
                    "What the paper published"
                    [
                        Page.figure
                            $"{table.Number}: {table.Title}, in %%.{small} {ExperimentPublished.caveat} {table.Caveat} Source: {ExperimentPublished.source}."
                            [ ExperimentTables.published report.Facts.Tower table ]
                    ]
            ]

    let private making (report: ExperimentReport) (methods: MethodRuns list) =
        let facts = report.Facts

        let versions =
            methods
            |> List.collect _.Runs
            |> List.map _.Version
            |> List.distinct
            |> List.sort

        let entry (name: string) (words: string) =
            [ dt [] [ str name ]; dd [] [ str words ] ]

        Page.section
            "How it was done"
            [
                dl
                    [ _class "facts" ]
                    [
                        for figures in report.Methods do
                            yield! entry figures.Label figures.Note
                    ]
                Page.figure
                    "Weights that answer, those of the causal network among them, milliseconds of one answer on one thread (median over runs), and training time (mean over runs)."
                    [ ExperimentTables.costs report ]
                dl
                    [ _class "facts" ]
                    [
                        yield! entry "Data" facts.Data
                        yield! entry "sha256 of the data" facts.DataSha256
                        yield! entry "Unseen sites" (String.concat ", " facts.Sites)
                        yield! entry "Tower" facts.Tower
                        yield! entry "Protocol" facts.Protocol
                        yield! entry "Seeds" (facts.Seeds |> List.map string |> String.concat ", ")
                        yield! entry "Runs" $"{report.Done} of {facts.Planned}"

                        if not versions.IsEmpty then
                            yield! entry "Mcdrl" (String.concat ", " versions)
                    ]
                h3 [] [ str "What all methods share" ]
                ul [] [ for line in facts.Budget -> li [] [ str line ] ]
                h3 [] [ str "How to read the intervals" ]
                Page.paragraph
                    "They say how far a difference could move with other images of the same sites. What is drawn again is patients or sequences where dataset.json names them; elsewhere images are taken as independent, and where frames come from the same patient or video, the intervals are too narrow. They know nothing of other sites, and of the chance in training only what the mean over seeds leaves. They are not adjusted for the number of comparisons."
                h3 [] [ str "To repeat it" ]
                Page.commands [ facts.Command ]
            ]

    /// The page as HTML. The same input gives the same bytes.
    let render (page: ExperimentPage) : string =
        let report = page.Report
        let facts = report.Facts

        Page.renderStyled
            [ PageSeries.sheet; PageTable.sheet; ExperimentFigures.layout ]
            $"Mcdrl experiment: {facts.Title}"
            [
                p
                    [ _class "notice" ]
                    [
                        str $"Mcdrl experiment {facts.Name}. Research software, not for clinical use."
                    ]
                h1 [] [ str facts.Title ]
                p [ _class "lead" ] [ str facts.Question ]

                match ExperimentWording.unfinished report with
                | Some words -> p [ _class "unfinished" ] [ str words ]
                | None -> ()

                div [ _class "outcome" ] (ExperimentWording.lead report |> List.map Page.paragraph)
                result report
                yield! classAware page
                yield! sweep report
                scores report
                yield! findings report
                yield! images page
                yield! classes report
                yield! conditioned page
                yield! robustness page
                yield! maps page
                yield! sheet page
                yield! published report
                making report page.Methods
                PageTable.sorting
            ]
