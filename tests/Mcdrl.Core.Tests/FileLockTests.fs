module Mcdrl.Tests.FileLockTests

open System
open System.IO
open System.Threading
open System.Threading.Tasks
open Expecto
open Mcdrl

let private taken path =
    Outcome.ok (FileLock.tryTake path)
    |> Option.map (fun held -> held :> IDisposable)

let private waiting path cancel =
    Task.Run(fun () -> FileLock.wait path cancel |> Result.map (fun held -> held :> IDisposable))

let private ends (task: Task) =
    Expect.isTrue (task.Wait(TimeSpan.FromMinutes 10.0)) "it ends"

let tests =
    testList
        "FileLock"
        [
            testCase "one holder at a time; freed when it is disposed, and its file may stay"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a.lock")
                    use first = Option.get (taken path)
                    Expect.isNone (taken path) "held"
                    use other = Option.get (taken (Path.Combine(folder, "b.lock")))
                    Expect.isNotNull (box other) "another file is another lock"
                    first.Dispose()
                    Expect.isTrue (File.Exists path) "the file stays"
                    use second = Option.get (taken path)
                    Expect.isNotNull (box second) "free again"
                    Expect.isNone (taken path) "held again")

            testCase "the file of a temporary lock goes with it"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a.lock")
                    use first = Option.get (Outcome.ok (FileLock.tryTakeTemporary path))
                    Expect.isNone (Outcome.ok (FileLock.tryTakeTemporary path)) "held"
                    Expect.isNone (taken path) "held, however it is taken"
                    first.Dispose()
                    Expect.isFalse (File.Exists path) "gone")

            testCase "who waits takes it once it is free, and holds it"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a.lock")
                    let first = Option.get (taken path)
                    let waits = waiting path CancellationToken.None
                    Expect.isFalse (waits.Wait 500) "still waiting"
                    first.Dispose()
                    ends waits
                    use _second = Outcome.ok waits.Result
                    Expect.isNone (taken path) "held by whoever waited")

            testCase "waiting is cancelled, and nothing is taken"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a.lock")
                    let first = Option.get (taken path)
                    use stop = new CancellationTokenSource()
                    let waits = waiting path stop.Token
                    stop.Cancel()
                    ends waits
                    Expect.equal (Result.map ignore waits.Result) (Error McdrlError.Cancelled) "cancelled"
                    first.Dispose()
                    use second = Option.get (taken path)
                    Expect.isNotNull (box second) "free")

            testCase "a folder that is missing is made"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "deep", "deeper", "a.lock")
                    use held = Option.get (taken path)
                    Expect.isNotNull (box held) "taken"
                    Expect.isTrue (File.Exists path) "made")

            testCase "a folder that can't be made is an error, not a lock that another holds"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let file = Path.Combine(folder, "file")
                    File.WriteAllText(file, "in the way")
                    let path = Path.Combine(file, "a.lock")
                    FileLock.tryTake path |> Outcome.refusedWith 5 [ path ])
        ]
