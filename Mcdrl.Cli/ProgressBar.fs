namespace Mcdrl.Cli

open System
open System.Diagnostics
open System.IO
open Mcdrl
open Spectre.Console

/// Shows the reports of a long operation on stderr: a bar for a person, a line now and then for a log file.
[<RequireQualifiedAccess>]
module ProgressBar =
    let private drawn (err: TextWriter) (work: Report -> 'a) =
        let console = AnsiConsole.Create(AnsiConsoleSettings(Out = AnsiConsoleOutput err))

        let columns: ProgressColumn[] =
            [|
                TaskDescriptionColumn(Alignment = Justify.Left)
                ProgressBarColumn()
                PercentageColumn()
                ElapsedTimeColumn()
                RemainingTimeColumn()
            |]

        console
            .Progress()
            .AutoClear(true)
            .Columns(columns)
            .Start(fun context ->
                let mutable bar: (string * ProgressTask) option = None

                let barOf stage =
                    match bar with
                    | Some(current, task) when current = stage -> task
                    | _ ->
                        bar |> Option.iter (fun (_, task) -> task.StopTask())
                        let task = context.AddTask(Markup.Escape stage)
                        bar <- Some(stage, task)
                        task

                work (fun progress ->
                    let task = barOf progress.Stage
                    task.IsIndeterminate <- progress.Total <= 0
                    task.MaxValue <- float (max 1 progress.Total)
                    task.Value <- float progress.Done
                    task.Description <- Markup.Escape $"{progress.Stage} {progress.Note}"))

    /// At most one line in this time, besides the first and the last of a stage.
    let private pause = TimeSpan.FromSeconds 30.0

    let private logged (err: TextWriter) (work: Report -> 'a) =
        let mutable stage = ""
        let mutable last = Stopwatch.StartNew()

        work (fun progress ->
            let due =
                progress.Stage <> stage
                || progress.Done = progress.Total
                || last.Elapsed > pause

            if due then
                stage <- progress.Stage
                last <- Stopwatch.StartNew()
                let total = if progress.Total > 0 then $"/{progress.Total}" else ""
                err.WriteLine($"{progress.Stage} {progress.Done}{total} {progress.Note}".TrimEnd()))

    /// Runs `work` with a place to report to. The reports of one run come from one thread at a time.
    let during session (work: Report -> 'a) : 'a =
        if session.Terminal then
            drawn session.Err work
        else
            logged session.Err work
