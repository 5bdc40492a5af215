module Mcdrl.Tests.PublicMembersTests

open System.Reflection
open Expecto
open Mcdrl.Tests

/// The rooms that this one can see; the C# API is held by its compiler (CS1591 is an error), and the command has none.
let private rooms =
    [
        "Mcdrl.Core"
        "Mcdrl.Onnx"
        "Mcdrl.Phantom"
        "Mcdrl.Model"
        "Mcdrl.Torch"
        "Mcdrl.Training"
        "Mcdrl.Lab"
    ]

/// Every module, type, union case, record field, function, value and member, fields of settings and of weights as well.
let private documented =
    testList
        "documented without exception"
        [
            for room in rooms do
                test room {
                    let shown, missing = PublicMembers.ofAssembly (Assembly.Load room)
                    Expect.isNonEmpty shown "the room shows something"
                    Expect.equal missing [] "public members without a comment"
                }
        ]

/// What the check itself must see, of things that are there for good.
let private seen =
    test
        "modules, cases, fields, functions, members and literals are seen, and nothing that the compiler made" {
        let core, _ = PublicMembers.ofAssembly (Assembly.Load "Mcdrl.Core")
        let torch, _ = PublicMembers.ofAssembly (Assembly.Load "Mcdrl.Torch")

        for name in
            [
                "Mcdrl.McdrlErrorModule"
                "Mcdrl.McdrlErrorModule.usage"
                "Mcdrl.McdrlError.Usage"
                "Mcdrl.Fault.What"
                "Mcdrl.Counts.op_Addition"
                "Mcdrl.Progress.IsCancelled"
            ] do
            Expect.contains core name "shown"

        Expect.contains torch "Mcdrl.Segmenter.Manifest" "a member of a type that hides what it is made of"

        for name in
            [
                "Mcdrl.McdrlError.IsUsage"
                "Mcdrl.McdrlError.Tag"
                "Mcdrl.Fault.ToString"
                "Mcdrl.Fault.Equals"
            ] do
            Expect.isFalse (List.contains name core) name

        for name in [ "Mcdrl.Segmenter.Owned"; "Mcdrl.Segmenter.Precision" ] do
            Expect.isFalse (List.contains name torch) name
    }

let tests = testList "public members" [ documented; seen ]
