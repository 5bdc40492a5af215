namespace Mcdrl

open System.IO
open FsToolkit.ErrorHandling

/// An experiment's report, from whatever is done of it.
[<RequireQualifiedAccess>]
module ExperimentReporting =
    /// Where the page, the reports and the tables of an experiment go.
    let folderOf (request: ExperimentRequest) =
        Path.Combine(request.Out, request.Design.Name)

    let private figure (request: ExperimentRequest) kind (draw: unit -> Result<'T list, McdrlError>) =
        if List.contains kind request.Design.Figures then
            draw ()
        else
            Ok []

    /// Draws the figures and writes the page, the reports and the tables into the experiment's
    /// folder.
    let write (request: ExperimentRequest) (state: ExperimentState) progress =
        result {
            let! sheet =
                figure request ExperimentFigure.Sheet (fun () ->
                    ExperimentIllustrating.sheet request state.Runs progress)

            let! maps =
                figure request ExperimentFigure.Features (fun () ->
                    ExperimentIllustrating.maps request state.Runs progress)

            let! curves =
                figure request ExperimentFigure.Robustness (fun () ->
                    ExperimentIllustrating.curves request state.Facts.Sites state.Runs progress)

            let page: ExperimentPage =
                {
                    Report = ExperimentReport.create state.Facts state.Methods
                    ClassAware =
                        if state.Facts.Classes.Length > 1 then
                            ExperimentReport.classAwareRuns state.Methods
                            |> ExperimentReport.ofReplacedDice state.Facts
                            |> Some
                        else
                            None
                    Conditioned = ExperimentConditioned.figures state.Facts state.Methods
                    Methods = state.Methods
                    Curves = curves
                    Maps = maps
                    Sheet = sheet
                }

            do! ExperimentReportFiles.write (folderOf request) page
            return page
        }
