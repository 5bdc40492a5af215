namespace Mcdrl.Cli

open System
open System.Diagnostics
open System.IO
open System.Text
open Spectre.Console
open Mcdrl

/// Shows how far a long operation has come on stderr: a bar for a person, a line now and then for a log file.
[<RequireQualifiedAccess>]
module ProgressBar =
    /// Lines that stay above the bar.
    type private Above(console: IAnsiConsole) =
        inherit TextWriter()
        override _.Encoding = Encoding.UTF8

        override _.WriteLine(line: string | null) =
            console.WriteLine(Option.ofObj line |> Option.defaultValue "")

    /// The session's stderr, which is a terminal: Spectre knows none but the console's own writer.
    let private terminal (err: TextWriter) =
        let size = AnsiConsoleOutput err

        { new IAnsiConsoleOutput with
            member _.Writer = err
            member _.IsTerminal = true
            member _.Width = size.Width
            member _.Height = size.Height
            member _.SetEncoding _ = ()
        }

    let private drawn session (work: Session -> Progress -> 'a) =
        let console = AnsiConsole.Create(AnsiConsoleSettings(Out = terminal session.Err))

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
                        let task = context.AddTask(Markup.Escape(Printable.line stage))
                        bar <- Some(stage, task)
                        task

                let tell (step: ProgressStep) =
                    let task = barOf step.Stage
                    task.IsIndeterminate <- step.Total <= 0
                    task.MaxValue <- float (max 1 step.Total)
                    task.Value <- float step.Done
                    task.Description <- Markup.Escape(Printable.line $"{step.Stage} {step.Note}")

                work session { Tell = tell; Cancel = session.Cancel })

    /// At most one line in this time, besides the first and the last of a stage.
    let private pause = TimeSpan.FromSeconds 30.0

    let private logged session (work: Progress -> 'a) =
        let mutable stage = ""
        let mutable last = Stopwatch.StartNew()

        let tell (step: ProgressStep) =
            if step.Stage <> stage || step.Done = step.Total || last.Elapsed > pause then
                stage <- step.Stage
                last <- Stopwatch.StartNew()
                let total = if step.Total > 0 then $"/{step.Total}" else ""
                Session.warn session ($"{step.Stage} {step.Done}{total} {step.Note}".TrimEnd())

        work { Tell = tell; Cancel = session.Cancel }

    /// Runs `work` with its progress shown, until the session is cancelled. The steps of one run come from one thread at
    /// a time.
    let during session (work: Progress -> 'a) : 'a =
        if session.Terminal then
            drawn session (fun _ progress -> work progress)
        else
            logged session work

    /// `during` for work on so many items that prints in the meantime, by the session that it is given: a bar would draw
    /// over what is printed beside it. A single item needs no bar.
    let above session items (work: Session -> Progress -> 'a) : 'a =
        if items = 1 then
            work session (Progress.until session.Cancel)
        elif session.Terminal then
            drawn session work
        else
            logged session (work session)
