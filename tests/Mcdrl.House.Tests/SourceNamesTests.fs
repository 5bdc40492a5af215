module Mcdrl.Tests.SourceNamesTests

open Expecto

let private names text =
    SourceNames.ofCode (SourceNames.codeOf text)

/// What uses a module and a type both, in a few lines.
let private uses (text: string) =
    let found = names ("namespace Mcdrl\n\n" + text)
    Set.toList found.Qualified, Set.toList found.Bare

let tests =
    testList
        "SourceNames"
        [
            testCase "declared at namespace level"
            <| fun () ->
                let found =
                    names
                        "namespace Mcdrl\n\n[<Struct>]\ntype A = { X: int }\n\nand [<Sealed>] internal B() =\n    class end\n\n[<RequireQualifiedAccess>]\nmodule internal C =\n    type Inner = int\n    module Deep = begin end\n"

                Expect.equal (Set.toList found.Types) [ "A"; "B" ] "types"
                Expect.equal (Set.toList found.Modules) [ "C" ] "modules"

            testCase "a file that is one module"
            <| fun () ->
                Expect.equal
                    (Set.toList (names "/// The command.\nmodule Mcdrl.Cli.Command\n\nlet x = 1\n").Modules)
                    [ "Command" ]
                    "its last name"

            testCase "comments and texts name nothing"
            <| fun () ->
                let text =
                    "let a = \"Masks.write\" // Masks.write\nlet b = (* Masks.write *) 'M'\nlet c = \"\"\"a \"Masks.write\" \"\"\"\nlet d = @\"\\\"\nlet e = '\"' // \"\n/// Masks.write\nlet f = 1\n"

                Expect.equal (uses text) ([], []) "nothing"

            testCase "expressions in texts do"
            <| fun () ->
                Expect.equal
                    (uses "let a = $\"{Masks.name} of {{Png.name}}\"\nlet b = $\"\"\"{Images.name}\"\"\"\n")
                    ([ "Images"; "Masks" ], [])
                    "holes, and no doubled braces"

            testCase "an operator is no comment"
            <| fun () -> Expect.equal (uses "let a = (*) 2 Masks.first // *)\n") ([ "Masks" ], []) "read on"

            testCase "members of others are not ours"
            <| fun () ->
                Expect.equal
                    (uses "let a = torch.nn.Linear.x\nlet b = x.Masks\nlet c = 'Masks.y\n")
                    ([], [])
                    "after a dot or a prime"

            testCase "our namespace before a name"
            <| fun () -> Expect.equal (uses "let a = Mcdrl.Masks.write\n") ([ "Masks" ], []) "is left out"

            testCase "opened and abbreviated modules"
            <| fun () ->
                Expect.equal
                    (uses "open Masks\nopen type Png\nmodule I = Images\n")
                    ([ "Images"; "Masks"; "Png" ], [ "Images"; "Masks"; "Png" ])
                    "are used"

            testCase "types stand alone"
            <| fun () ->
                Expect.equal
                    (uses
                        "let f (x: Picture) (y: Seed list) : Mask = Mask.ofMap x\ntype T = { A: LabelMap }\n")
                    ([ "Mask" ], [ "LabelMap"; "Mask"; "Picture"; "Seed" ])
                    "in annotations and fields"

            testCase "labels and cases are no types"
            <| fun () ->
                Expect.equal
                    (uses
                        "let a = { Picture = 1; Seed = 2 }\nlet b = f (Masks = 3)\ntype U =\n    | Png\n    | [<Unique>] Images of int\ntype R =\n    {\n        Region: int\n    }\n")
                    ([], [ "Unique" ])
                    "the attribute is one"
        ]
