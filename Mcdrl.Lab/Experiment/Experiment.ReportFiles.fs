namespace Mcdrl

open System.IO
open FsToolkit.ErrorHandling

/// The files of an experiment's results.
[<RequireQualifiedAccess>]
module ExperimentReportFiles =
    /// The page's file, for a browser.
    let pageName = "report.html"
    let internal reportName = "report.json"
    let internal classAwareName = "report-class-aware.json"
    let internal conditionedName = "report-conditions.json"
    let internal summaryName = "summary.csv"
    let internal imagesName = "images.csv"

    /// Writes the page, the reports and both tables into `folder`, which is made if need be; each file is replaced as a
    /// whole. Fails where the folder can't be written to.
    let write (folder: string) (page: ExperimentPage) : Result<unit, McdrlError> =
        let file name text =
            Files.writeText (Path.Combine(folder, name)) text

        result {
            do! file imagesName (ExperimentCsv.images page.Report.Facts.Classes page.Methods)
            do! file summaryName (ExperimentCsv.summary page.Report)
            do! file reportName (RecordJson.render page.Report)

            for report in Option.toList page.ClassAware do
                do! file classAwareName (RecordJson.render report)

            if not page.Conditioned.IsEmpty then
                do! file conditionedName (RecordJson.render {| Figures = page.Conditioned |})

            do! file pageName (ExperimentPage.render page)
        }
