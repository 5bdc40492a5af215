namespace Mcdrl.Cli

open System.IO
open Mcdrl
open Spectre.Console

/// What `mcdrl bench` found, for people.
[<RequireQualifiedAccess>]
module BenchTable =
    /// Columns of the output where no terminal says how many there are.
    let private width = 140

    let private console session (out: TextWriter) =
        let console =
            AnsiConsole.Create(
                AnsiConsoleSettings(
                    Ansi =
                        (if session.Terminal then
                             AnsiSupport.Detect
                         else
                             AnsiSupport.No),
                    ColorSystem = ColorSystemSupport.NoColors,
                    Out = AnsiConsoleOutput out
                )
            )

        if not session.Terminal then
            console.Profile.Width <- width

        console

    /// Three digits that count.
    let private digits (value: float) =
        if abs value >= 100.0 then $"{value:F0}"
        elif abs value >= 10.0 then $"{value:F1}"
        else $"{value:F2}"

    let private row (found: BenchResult) =
        [
            found.Mode |> Option.map Marginalisation.name |> Option.defaultValue "tower"
            string found.Batch
            $"{RecordJson.text found.Engine}, {found.Device}"
            PrecisionName.ofPrecision found.Precision
            digits found.MedianMs
            $"{digits found.MinMs} to {digits found.MaxMs}"
            digits found.FirstMs
            digits found.Gflops
            $"{found.PercentOfPeak:F0} %%"
            $"{found.Ratio:F2} ({found.RatioMin:F2} to {found.RatioMax:F2})"
        ]

    let private table (results: BenchResult list) =
        let table = Table(Border = TableBorder.Simple)

        for name in [ "part"; "batch"; "engine"; "precision" ] do
            table.AddColumn(TableColumn name) |> ignore

        for name in [ "median ms"; "range"; "first"; "GFLOP/s"; "of peak"; "÷ ONNX Runtime" ] do
            table.AddColumn(TableColumn(name).RightAligned()) |> ignore

        for result in results do
            table.AddRow(row result |> List.map Markup.Escape |> Array.ofList) |> ignore

        table

    let private percent (share: float) = $"{100.0 * share:F1} %%"

    /// Exact adjustment against attention, each by the tower's time in its own rounds.
    let private exactAgainstAttention (results: BenchResult list) =
        let share mode (like: BenchResult) =
            results
            |> List.tryFind (fun found ->
                found.Mode = Some mode
                && found.Batch = like.Batch
                && found.Precision = like.Precision)
            |> Option.bind _.MethodShare

        [
            for found in results do
                if found.Mode = Some Marginalisation.Exact then
                    match found.MethodShare, share Marginalisation.Attention found with
                    | Some exact, Some attention ->
                        $"exact, batch {found.Batch}, {PrecisionName.ofPrecision found.Precision}: {digits ((1.0 + exact) / (1.0 + attention))} times attention"
                    | _ -> ()
        ]

    /// What each mode adds to the tower.
    let private additions (results: BenchResult list) =
        [
            for found in results do
                match found.Mode, found.MethodShare, found.MethodShareMin, found.MethodShareMax with
                | Some mode, Some share, Some least, Some most ->
                    $"{Marginalisation.name mode}, batch {found.Batch}, {PrecisionName.ofPrecision found.Precision}: {percent share} of the tower's time on top of it ({percent least} to {percent most})"
                | _ -> ()
        ]

    let private placement (found: OnnxPlacement) =
        let kinds =
            found.OnProcessor
            |> List.map (fun (kind, count) -> $"{kind} {count}")
            |> String.concat ", "

        let count = found.OnProcessor |> List.sumBy snd
        $"{found.Part}: ONNX Runtime computed {count} of {found.Operators} operators on the processor. {kinds}"

    let private peak (found: MatmulPeak) =
        $"peak in {PrecisionName.ofPrecision found.Precision}: {digits found.Best} GFLOP/s, a product of 2048³ (matmul {digits found.Matmul}, as a convolution {digits found.Convolution})"

    let show session (found: BenchReport) =
        let out = if session.Json then session.Err else session.Out

        match found.Results with
        | first :: _ ->
            Session.say
                session
                $"{first.Tower}, {first.Threads} threads, medians of {first.Rounds} rounds; times of a whole batch, GFLOP/s by the median."
        | [] -> ()

        (console session out).Write(table found.Results)

        for line in
            List.map peak found.Peaks
            @ additions found.Results
            @ exactAgainstAttention found.Results
            @ List.map placement found.Placements do
            Session.say session line
