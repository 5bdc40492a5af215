module Mcdrl.Tests.Laws

open System
open System.IO
open Expecto

/// The invariants I-1 … I-33 of the causal core, and I-34 and I-35, which make an intervention one. docs/laws.md lists them.
let private laws =
    [
        MarginalisationLaws.tests
        ExpectationLaws.tests
        SurrogateGapLaws.tests
        GeometricMeanLaws.tests
        AttentionLaws.tests
        QueryLaws.tests
        SelectionLaws.tests
        LossLaws.tests
        TrainingLaws.tests
        InterventionLaws.tests
    ]

let private names =
    laws
    |> List.collect (Test.toTestCodeList >> List.ofSeq)
    |> List.map (fun test -> List.last test.name)

let private complete =
    testCase "every invariant from I-1 to I-35 has a law"
    <| fun () ->
        let numbered =
            names
            |> Seq.collect (fun name -> name.Split([| ' '; ',' |]))
            |> Seq.filter (fun word -> word.StartsWith("I-", StringComparison.Ordinal))
            |> Set.ofSeq

        let wanted = Set.ofList [ for number in 1..35 -> $"I-{number}" ]
        Expect.isEmpty (wanted - numbered) "without a law"

let private documented =
    testCase "docs/laws.md lists every law with its cases"
    <| fun () ->
        let page = File.ReadAllText(Path.Combine(Repository.root, "docs", "laws.md"))

        for name in names do
            Expect.stringContains page name "run scripts/mutations.fsx --record"

let tests = testList "laws" (List.map testSequenced laws @ [ complete; documented ])
