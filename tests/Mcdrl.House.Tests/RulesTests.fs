module Mcdrl.Tests.RulesTests

open System.Text.RegularExpressions
open Expecto

/// A project with the files that it compiles, each with its text.
let private project name references packages (files: (string * string) list) =
    {
        Name = name
        Compiled = List.map fst files
        References = references
        Packages = packages
    },
    [ for path, text in files -> House.source path ("namespace Mcdrl\n\n" + text) ]

let private house (parts: (Project * Source list) list) : House =
    {
        Projects = List.map fst parts
        Sources = List.collect snd parts
    }

/// A module of values that names others.
let private naming name (others: string list) =
    let body =
        others
        |> List.map (fun other -> $"    let of{other} = {other}.one\n")
        |> String.concat ""

    $"module {name} =\n    let one = 1\n{body}"

let private core files = project "Mcdrl.Core" [] [] files

/// The rule complains about the house, in these words and no others.
let private complains what rule (parts: (Project * Source list) list) (expected: string list) =
    testCase what
    <| fun () -> Expect.equal (rule (house parts)) expected "the complaints"

let private real = lazy House.read Repository.root

let private broken =
    [
        complains
            "a backward arrow between projects"
            Rules.projectArrows
            [
                project "Mcdrl.Core" [ "Mcdrl.Phantom" ] [] []
                project "Mcdrl.Phantom" [] [] []
            ]
            [ "Mcdrl.Core: stands on Mcdrl.Phantom" ]

        complains
            "a backward arrow through another project"
            Rules.projectArrows
            [
                project "Mcdrl.Onnx" [ "Mcdrl.Core" ] [] []
                project "Mcdrl.Core" [ "Mcdrl.Model" ] [] []
                project "Mcdrl.Model" [] [] []
            ]
            [ "Mcdrl.Onnx: stands on Mcdrl.Model"; "Mcdrl.Core: stands on Mcdrl.Model" ]

        complains
            "a package that the table doesn't have"
            Rules.projectArrows
            [
                project "Mcdrl.Phantom" [ "Mcdrl.Core" ] [ "FSharp.Core"; "SkiaSharp" ] []
                core []
            ]
            [ "Mcdrl.Phantom: names the package SkiaSharp" ]

        complains
            "a project that the table doesn't have"
            Rules.projectArrows
            [ project "Mcdrl.Cloud" [] [] [] ]
            [ "Mcdrl.Cloud: is not in the table of projects" ]

        complains
            "projects that stand on each other"
            Rules.projectCycles
            [
                project "Mcdrl.Onnx" [ "Mcdrl.Phantom" ] [] []
                project "Mcdrl.Phantom" [ "Mcdrl.Onnx" ] [] []
                core []
            ]
            [ "Mcdrl.Onnx: stands on itself"; "Mcdrl.Phantom: stands on itself" ]

        complains
            "torch in a project that is without"
            Rules.torchReach
            [ project "Mcdrl.Core" [] [ "TorchSharp" ] [] ]
            [ "Mcdrl.Core: reaches TorchSharp through Mcdrl.Core" ]

        complains
            "torch below the C# half that is without"
            Rules.torchReach
            [
                project "Mcdrl.CSharpApi.Onnx" [ "Mcdrl.Onnx" ] [] []
                project "Mcdrl.Onnx" [ "Mcdrl.Model" ] [] []
                project "Mcdrl.Model" [] [ "TorchSharp" ] []
            ]
            [
                "Mcdrl.CSharpApi.Onnx: reaches TorchSharp through Mcdrl.Model"
                "Mcdrl.Onnx: reaches TorchSharp through Mcdrl.Model"
            ]

        complains
            "a native library in the functional core"
            Rules.torchReach
            [ project "Mcdrl.Model" [] [ "TorchSharp"; "libtorch-cpu-linux-x64" ] [] ]
            [ "Mcdrl.Model: reaches libtorch-cpu-linux-x64 through Mcdrl.Model" ]

        complains
            "a folder in two stretches"
            Rules.stretches
            [
                core
                    [
                        "Mcdrl.Core/Values/A.fs", naming "A" []
                        "Mcdrl.Core/Files/B.fs", naming "B" []
                        "Mcdrl.Core/Values/C.fs", naming "C" []
                    ]
            ]
            [
                "Mcdrl.Core/Values/C.fs: Mcdrl.Core/Values begins a second time in Mcdrl.Core"
            ]

        complains
            "a backward arrow between folders"
            Rules.folderArrows
            [
                core
                    [
                        "Mcdrl.Core/Images/Masks.fs", naming "Masks" []
                        "Mcdrl.Core/Values/Rasters.fs", naming "Rasters" [ "Masks" ]
                    ]
            ]
            [ "Mcdrl.Core/Values/Rasters.fs: uses Masks of Mcdrl.Core/Images/Masks.fs" ]

        complains
            "a backward arrow to a type of another project"
            Rules.folderArrows
            [
                core [ "Mcdrl.Core/Drawing/Sheet.fs", "type Sheet = int\n" ]
                project
                    "Mcdrl.Onnx"
                    [ "Mcdrl.Core" ]
                    []
                    [
                        "Mcdrl.Onnx/Onnx.Engine.fs",
                        "module OnnxEngine =\n    let draw (sheet: Sheet) = sheet\n"
                    ]
            ]
            [ "Mcdrl.Onnx/Onnx.Engine.fs: uses Sheet of Mcdrl.Core/Drawing/Sheet.fs" ]

        complains
            "a name that the compiler doesn't show is another's"
            Rules.folderArrows
            [
                core
                    [
                        "Mcdrl.Core/Values/Rasters.fs", naming "Rasters" [ "Masks" ]
                        "Mcdrl.Core/Images/Masks.fs", naming "Masks" []
                    ]
            ]
            []

        complains
            "a signature that uses what is above"
            Rules.folderArrows
            [
                core
                    [
                        "Mcdrl.Core/Images/Masks.fsi", "module Masks =\n    val one: int\n"
                        "Mcdrl.Core/Images/Masks.fs", naming "Masks" []
                        "Mcdrl.Core/Values/Rasters.fsi", "module Rasters =\n    val one: Masks.Kind\n"
                        "Mcdrl.Core/Values/Rasters.fs", naming "Rasters" []
                    ]
            ]
            [ "Mcdrl.Core/Values/Rasters.fsi: uses Masks of Mcdrl.Core/Images/Masks.fs" ]

        complains
            "a folder that the table doesn't have"
            Rules.folderArrows
            [ core [ "Mcdrl.Core/Cloud/Upload.fs", naming "Upload" [] ] ]
            [ "Mcdrl.Core/Cloud: is not in the table of folders" ]

        complains
            "folders that use each other"
            Rules.folderCycles
            [
                core
                    [
                        "Mcdrl.Core/Values/A.fs", naming "A" []
                        "Mcdrl.Core/Files/B.fs", naming "B" [ "A" ]
                        "Mcdrl.Core/Values/C.fs", naming "C" [ "B" ]
                        "Mcdrl.Core/Images/D.fs", naming "D" [ "C" ]
                    ]
            ]
            [
                "Mcdrl.Core/Files/B.fs: uses A of Mcdrl.Core/Values/A.fs"
                "Mcdrl.Core/Values/C.fs: uses B of Mcdrl.Core/Files/B.fs"
            ]

        testCase "tables that allow a cycle"
        <| fun () ->
            Expect.equal
                (Rules.tableCycles (
                    Map
                        [
                            "Mcdrl.A/X", [ "Mcdrl.B" ]
                            "Mcdrl.B/Y", [ "Mcdrl.A/X" ]
                            "Mcdrl.B/Z", [ "Mcdrl.B/Y" ]
                        ]
                ))
                [
                    "Mcdrl.A/X: may use Mcdrl.B/Y, which leads back"
                    "Mcdrl.A/X: may use Mcdrl.B/Z, which leads back"
                    "Mcdrl.B/Y: may use Mcdrl.A/X, which leads back"
                    "Mcdrl.B/Z: may use Mcdrl.B/Y, which leads back"
                ]
                "the arrows of both cycles"

        testCase "a file that no project compiles"
        <| fun () ->
            let whole = house [ core [ "Mcdrl.Core/Values/A.fs", naming "A" [] ] ]
            let lying = House.source "Mcdrl.Core/Values/B.fs" "namespace Mcdrl\n"

            Expect.equal
                (Rules.forgotten
                    { whole with
                        Sources = lying :: whole.Sources
                    })
                [ "Mcdrl.Core/Values/B.fs: no project compiles it" ]
                "the one"

        complains
            "a file that is too long"
            Rules.tooLong
            [
                core
                    [
                        "Mcdrl.Core/Values/A.fs", String.replicate (Rules.longest - 2) "let x = 1\n"
                        "Mcdrl.Core/Values/B.fs", String.replicate (Rules.longest - 1) "let x = 1\n"
                    ]
            ]
            [ "Mcdrl.Core/Values/B.fs: has 501 lines, more than 500" ]

        complains
            "a name of two files"
            Rules.declaredTwice
            [
                core [ "Mcdrl.Core/Values/A.fs", naming "A" [] ]
                project "Mcdrl.Onnx" [ "Mcdrl.Core" ] [] [ "Mcdrl.Onnx/B.fs", "type A = int\n" ]
            ]
            [ "Mcdrl.Core/Values/A.fs and Mcdrl.Onnx/B.fs: declare A" ]

        complains
            "a module that opens itself"
            Rules.openedByThemselves
            [
                core
                    [
                        "Mcdrl.Core/Values/A.fs", "[<AutoOpen>]\n" + naming "A" []
                        "Mcdrl.Model/Tensors/B.fs", "[<AutoOpen>]\n" + naming "B" []
                    ]
            ]
            [ "Mcdrl.Core/Values/A.fs: opens itself" ]

        testList
            "an effect in the core"
            [
                for path in
                    [
                        "Mcdrl.Model.fs"
                        "Mcdrl.Model/Towers/Tower.fs"
                        "Mcdrl.Core/Values/Seed.fs"
                        "Mcdrl.Phantom/Phantom.fs"
                    ] do
                    for text, complaint in
                        [
                            "    let x = File.ReadAllText \"a\"", "a file: File"
                            "    let x = Directory.GetFiles \"a\"", "a file: Directory"
                            "    let f () = Console.WriteLine 1", "the console: Console."
                            "    let f () = printfn \"a\"", "the console: printfn"
                            "    let n = Environment.ProcessorCount", "the environment: Environment."
                            "    let f () = DateTime.UtcNow", "a clock: DateTime"
                            "    let f () = Stopwatch.StartNew()", "a clock: Stopwatch"
                            "    let f () = System.Random()", "ambient randomness: Random("
                            "    let f () = torch.randn [| 1L |]", "ambient randomness: torch.randn"
                            "    let mutable private last = 0", "a variable for all: let mutable"
                            "    let private mutable last = 0", "a variable for all: let private mutable"
                        ] do
                        complains
                            $"{path}: {text.Trim()}"
                            Rules.impure
                            [ core [ path, $"module A =\n{text}\n" ] ]
                            [ $"{path}: {complaint}" ]
            ]

        for text in
            [
                "open System.Net.Http"
                "let client = new HttpClient()"
                "let found = Dns.GetHostEntry name"
                "open Microsoft.AspNetCore.Builder"
            ] do
            complains
                $"the network is two folders' business: {text}"
                Rules.networked
                [
                    core [ "Mcdrl.Core/Files/Files.fs", $"module A =\n    {text}\n" ]
                    core [ "Mcdrl.Lab/Hub/Hub.fs", $"module B =\n    {text}\n" ]
                ]
                [
                    let found =
                        Regex.Match(text, @"System\.Net\.Http|HttpClient|Dns|Microsoft\.AspNetCore").Value

                    $"Mcdrl.Core/Files/Files.fs: {found}"
                ]

        complains
            "numbers are read out of tensors that are held"
            Rules.numbersRead
            [
                core
                    [
                        "Mcdrl.Core/Values/Seed.fs",
                        "module A =\n    let f (x: Tensor) = x.all().ToBoolean() && x.sum().item<float>() > Convert.ToDouble 1\n"
                    ]
            ]
            [ "Mcdrl.Core/Values/Seed.fs: .ToBoolean(), write item<...>()" ]

        complains
            "sums of tensors outlive the collector"
            Rules.scalarsFreed
            [
                core
                    [
                        "Mcdrl.Core/Values/Seed.fs",
                        "module A =\n    let f (x: Tensor) = x.add(scalar (g (1.0))).add (y.mul(z), unity)\n    let h = Map.add (1) 2\n"
                    ]
            ]
            [ "Mcdrl.Core/Values/Seed.fs: .add(scalar (g (1.0)))" ]

        complains
            "what is no effect, or elsewhere"
            Rules.impure
            [
                core
                    [
                        "Mcdrl.Core/Values/Seed.fs",
                        "/// Reads no File.\nmodule A =\n    let f () =\n        let mutable n = 0\n        n <- 1\n        n\n    let g source = torch.randn ([| 1L |], generator = source)\n"
                        "Mcdrl.Core/Files/Files.fs", "module B =\n    let x = File.ReadAllText \"a\"\n"
                    ]
            ]
            []
    ]

let tests =
    testList
        "Rules"
        [
            testList
                "of this house"
                [
                    for name, rule in Rules.all do
                        testCase name
                        <| fun () -> Expect.equal (rule real.Value) [] "nothing to complain about"

                    testCase "the tables allow no cycle"
                    <| fun () -> Expect.equal (Rules.tableCycles Rules.folders) [] "nothing"

                    testCase "every project and every file was read"
                    <| fun () ->
                        let house = real.Value
                        let names = house.Projects |> List.map _.Name |> Set
                        Expect.equal names (Set(Map.keys Rules.projects)) "the projects of the table"
                        Expect.isGreaterThan house.Sources.Length 200 "the F# files"

                        Expect.isNonEmpty
                            (House.arrows house
                             |> List.filter (fun arrow ->
                                 arrow.From = "Mcdrl.Model.fs" && arrow.Name = "Marginalisation"))
                            "the method uses the ways to marginalise"
                ]
            testList "of broken ones" broken
        ]
