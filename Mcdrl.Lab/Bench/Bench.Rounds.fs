namespace Mcdrl

open System.Diagnostics
open System.Threading
open FsToolkit.ErrorHandling

/// Measurements of several contenders in turn.
[<RequireQualifiedAccess>]
module internal BenchRounds =
    /// Lets the threads of whoever ran before fall asleep, in milliseconds.
    let private pause = 10

    /// What a measurement lasts at least, in milliseconds; short runs are repeated.
    let private least = 20.0

    let private mostRepetitions = 1000.0

    let private milliseconds repetitions (contender: Contender) =
        Thread.Sleep pause
        let clock = Stopwatch.StartNew()

        for _ in 1..repetitions do
            contender.Run()

        clock.Elapsed.TotalMilliseconds / float repetitions

    /// After one run to warm up.
    let private repetitions (contender: Contender) =
        contender.Run()
        int (max 1.0 (min mostRepetitions (ceil (least / milliseconds 1 contender))))

    /// Milliseconds a run, for each contender one number a round. In each round another one begins; `stage` is what the
    /// progress calls it.
    let measure
        (stage: string)
        (rounds: int)
        (contenders: Contender list)
        (progress: Progress)
        : Result<float list list, McdrlError> =
        let unlessCancelled work =
            if progress.IsCancelled then
                Error McdrlError.Cancelled
            else
                Ok(work ())

        let counted contender =
            unlessCancelled (fun () -> contender, repetitions contender)

        let round (contenders: (Contender * int) list) number =
            let count = contenders.Length

            List.init count (fun place -> (place + number) % count)
            |> List.traverseResultM (fun index ->
                let contender, repetitions = contenders[index]
                unlessCancelled (fun () -> index, milliseconds repetitions contender))
            |> Result.map (fun measured ->
                progress.Tell
                    {
                        Stage = stage
                        Done = number + 1
                        Total = rounds
                        Note = ""
                    }

                measured |> List.sort |> List.map snd)

        contenders
        |> List.traverseResultM counted
        |> Result.bind (fun contenders -> List.init rounds id |> List.traverseResultM (round contenders))
        |> Result.map List.transpose
