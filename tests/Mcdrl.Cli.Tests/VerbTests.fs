module Mcdrl.Cli.Tests.VerbTests

open System
open System.Reflection
open Argu
open Expecto
open Microsoft.FSharp.Reflection
open Mcdrl.Cli
open Mcdrl.Cli.Tests.CommandLine

/// Options that may be given several times, and are taken each time.
let private repeatable = set [ "Set"; "Site"; "Label"; "Mask"; "Name" ]

/// The arguments of all verbs.
let private unions =
    typeof<Verb>.Assembly.GetTypes()
    |> Array.filter (fun kind ->
        FSharpType.IsUnion kind
        && isNull kind.DeclaringType
        && kind.GetInterfaces() |> Array.contains typeof<IArgParserTemplate>)

let private has<'Attribute> (case: UnionCaseInfo) =
    case.GetCustomAttributes()
    |> Array.exists (fun attribute -> attribute :? 'Attribute)

let private isList (case: UnionCaseInfo) =
    match case.GetFields() with
    | [| field |] ->
        field.PropertyType.IsGenericType
        && field.PropertyType.GetGenericTypeDefinition() = typedefof<list<_>>
    | _ -> false

let tests =
    testList
        "Verb"
        [
            test "no verb takes an argument twice and drops one: it is refused, or both are taken" {
                Expect.equal unions.Length (Verbs.all.Length) "a union a verb"

                for union in unions do
                    for case in FSharpType.GetUnionCases union do
                        let isMain = has<MainCommandAttribute> case

                        Expect.isTrue
                            (has<UniqueAttribute> case
                             || has<ExactlyOnceAttribute> case
                             || isMain && isList case
                             || repeatable.Contains case.Name)
                            $"{union.Name}.{case.Name}"
            }

            test "a repeated option is refused" {
                for arguments, flag in
                    [
                        [ "segment"; "x.png"; "--out"; "a"; "--out"; "b" ], "--out"
                        [ "train"; "--data"; "a"; "--data"; "b"; "--out"; "c" ], "--data"
                        [ "encode"; "--out"; "a"; "--images"; "b"; "--images"; "c" ], "--images"
                        [ "card"; "--model"; "a"; "--model"; "b"; "--data"; "c" ], "--model"
                    ] do
                    let outcome = mcdrl arguments
                    Expect.equal outcome.Code 2 flag
                    Expect.stringContains outcome.Err flag "named"

                let named = mcdrl [ "experiment"; "table1"; "--data"; "d"; "table2" ]
                Expect.equal named.Code 2 "two names"
            }

            test "an empty value is refused, and its option named" {
                for verb in Verbs.all do
                    let words = List.ofArray (verb.Name.Split ' ')

                    for flag in [ "--out"; "--model"; "--data"; "--onnx"; "--weights"; "--images" ] do
                        if verb.Help().Contains $" {flag} " then
                            for arguments in [ [ flag; "" ]; [ $"{flag}=" ] ] do
                                let outcome = mcdrl (words @ arguments)
                                Expect.equal outcome.Code 2 $"{verb.Name} {flag}"

                                Expect.stringContains
                                    outcome.Err
                                    $"{flag}: it is given an empty text"
                                    verb.Name

                for words in [ [ "segment" ]; [ "data"; "check" ]; [ "data"; "import" ] ] do
                    let outcome = mcdrl (words @ [ "" ])
                    Expect.equal outcome.Code 2 (String.concat " " words)
                    Expect.stringContains outcome.Err "empty text" "said"
            }

            test "a number with a comma is refused, not read past the comma" {
                for arguments in
                    [
                        [ "segment"; "x.png"; "--threshold"; "0,1" ]
                        [ "segment"; "x.png"; "--threshold=0,1" ]
                        [ "evaluate"; "--model"; "m"; "--data"; "d"; "--threshold"; "0,1" ]
                        [
                            "evaluate"
                            "--model"
                            "m"
                            "--data"
                            "d"
                            "--interventional"
                            "--strength"
                            "0,1"
                        ]
                        [ "train"; "--data"; "d"; "--out"; "o"; "--checkpoint-minutes"; "2,5" ]
                    ] do
                    let outcome = mcdrl arguments
                    Expect.equal outcome.Code 2 (String.concat " " arguments)
                    Expect.stringContains outcome.Err "without a comma" (String.concat " " arguments)

                let methods =
                    mcdrl [ "experiment"; "table1"; "--data"; "/none"; "--methods"; "baseline,mcdrl" ]

                Expect.isFalse (methods.Err.Contains "comma") "a list of keys has commas"
            }

            test "--flag=value is two arguments, and what follows -- are paths" {
                let outcome = mcdrl [ "segment"; "--out=o"; "--"; "-no-such.png"; "--neither" ]
                Expect.equal outcome.Code 2 "missing"

                for name in [ "./-no-such.png: there is no such"; "./--neither: there is no such" ] do
                    Expect.stringContains outcome.Err name "a path"

                Expect.isFalse (outcome.Err.Contains "o: ") "the folder is no image"

                let unknown = mcdrl [ "segment"; "x.png"; "--such=1" ]
                Expect.stringContains unknown.Err "unrecognized argument: '--such'" "unknown"
            }
        ]
