namespace Mcdrl.Cli

open System
open System.Diagnostics
open System.IO
open System.Text
open Mcdrl
open Spectre.Console

/// Shows the reports of a long operation on stderr: a bar for a person, a line now and then for a log file.
[<RequireQualifiedAccess>]
module ProgressBar =
    /// Lines that stay above the bar.
    type private Above(console: IAnsiConsole) =
        inherit TextWriter()
        override _.Encoding = Encoding.UTF8

        override _.WriteLine(line: string | null) =
            console.WriteLine(Option.ofObj line |> Option.defaultValue "")

    let private drawn session (work: Session -> Report -> 'a) =
        let console =
            AnsiConsole.Create(AnsiConsoleSettings(Out = AnsiConsoleOutput session.Err))

        let above = new Above(console)

        let session =
            { session with
                Err = above
                Out = if Console.IsOutputRedirected then session.Out else above
            }

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

                work session (fun progress ->
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
            drawn session (fun _ report -> work report)
        else
            logged session.Err work

    /// `during` for work on so many items that prints in the meantime, by the session that it is given: a bar would draw
    /// over what is printed beside it. A single item needs no bar.
    let above session items (work: Session -> Report -> 'a) : 'a =
        if items = 1 then work session Report.none
        elif session.Terminal then drawn session work
        else logged session.Err (work session)
