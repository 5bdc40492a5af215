module Mcdrl.Tests.HoldLease

open System
open System.Threading
open Mcdrl

/// What makes of the tests' program one that holds a lease.
let word = "hold-lease"

type Marker = class end

/// Takes the lease, says so, and says when it is lost; ends with its input.
let hold (path: string) =
    let times =
        {
            Beat = TimeSpan.FromMilliseconds 50.0
            Expiry = TimeSpan.FromMinutes 5.0
        }

    match Lease.tryTake (LeaseWatch times) path with
    | Ok(Ok lease) ->
        Console.Out.WriteLine "held"
        lease.Lost.WaitHandle.WaitOne() |> ignore
        Console.Out.WriteLine "lost"
        Thread.Sleep Timeout.Infinite
        0
    | _ -> 1

/// What makes of the tests' program one that looks at a lease.
let lookWord = "look-lease"

/// For each line of its input tries to take the lease and says what came of it, and its clock's time in ticks; ends with its input.
let look (path: string) =
    let watch = LeaseWatch Lease.standard

    let rec go () =
        match Console.In.ReadLine() with
        | null -> 0
        | _ ->
            let outcome =
                match Lease.tryTake watch path with
                | Ok(Ok _) -> "taken"
                | Ok(Error _) -> "held"
                | Error _ -> "error"

            Console.Out.WriteLine $"{outcome} {DateTime.UtcNow.Ticks}"
            go ()

    go ()
