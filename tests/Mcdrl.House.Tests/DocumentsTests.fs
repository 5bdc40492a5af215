module Mcdrl.Tests.DocumentsTests

open System.IO
open Expecto

let private at (path: string) = Path.Combine(Repository.root, path)

let private text path = File.ReadAllText(at path)

/// A file's text, and nothing much of a folder.
let private read path =
    if File.Exists(at path) then Some(text path)
    elif Directory.Exists(at path) then Some ""
    else None

/// Every page but those that a model comes with.
let private pages =
    [
        for folder in [ ""; "docs" ] do
            for path in Directory.GetFiles(at folder, "*.md") do
                Path.GetRelativePath(Repository.root, path)
    ]

let private references =
    lazy
        (Set
            [
                for project in (House.read Repository.root).Projects do
                    for other in project.References -> project.Name, other
            ])

/// The text of a file of tests.
let private testFile (name: string) =
    Directory.GetFiles(at "tests", $"{name}.*", SearchOption.AllDirectories)
    |> Array.filter (fun path -> Path.GetExtension path = ".fs" || Path.GetExtension path = ".cs")
    |> Array.tryExactlyOne
    |> Option.map File.ReadAllText

/// A page of two files.
let private small page =
    Documents.complaints
        (fun path ->
            Map.tryFind
                path
                (Map
                    [
                        "docs/other.md", "# A `part`: 2.0\n"
                        "Mcdrl.Core/A.fs",
                        "module A =\n    let inline private first x = x\n    type Deep = int\n"
                    ]))
        "docs/page.md"
        page

let tests =
    testList
        "Documents"
        [
            testList
                "of this house"
                [
                    for page in pages do
                        testCase $"{page} names what there is"
                        <| fun () ->
                            Expect.equal
                                (Documents.complaints read page (text page))
                                []
                                "nothing to complain about"

                    testCase "each promise about security is held by a test that is there"
                    <| fun () ->
                        let page = text "SECURITY.md"
                        Expect.isGreaterThan (Documents.promises page).Length 20 "promises"
                        Expect.equal (Documents.unheld testFile page) [] "held"

                    testCase "the graph has the arrows of the projects"
                    <| fun () ->
                        Expect.equal
                            (Documents.edgesOfDot (text "docs/architecture.dot"))
                            references.Value
                            "the .dot file's"

                    testCase "the picture was made of the graph"
                    <| fun () ->
                        Expect.equal
                            (Documents.edgesOfSvg (text "docs/architecture.svg"))
                            references.Value
                            "the .svg file's"

                    testCase "the table of folders is that of the rules"
                    <| fun () ->
                        let page = text "docs/architecture.md"

                        Expect.equal
                            [
                                for folder in Map.keys Rules.folders do
                                    if not (page.Contains $"| `{folder}` |") then
                                        folder
                            ]
                            []
                            "no folder without a row"
                ]

            testCase "links that lead somewhere"
            <| fun () ->
                Expect.equal
                    (small
                        "## Here\n[b](other.md#a-part-20) [c](https://example.org/x.md#y) [d](#here) [`A.first`](../Mcdrl.Core/A.fs) [`Deep`](../Mcdrl.Core/A.fs) [`A.fs`](../Mcdrl.Core/A.fs) and `Mcdrl.Core/A.fs`, Mcdrl.Core/*.fs, a/Mcdrl.Core/C.fs and Mcdrl.Core/A.fs.")
                    []
                    "nothing"

            testCase "a link that leads nowhere"
            <| fun () ->
                Expect.equal
                    (small "![b](none.svg)")
                    [ "docs/page.md: the link to docs/none.svg leads nowhere" ]
                    "it"

            testCase "an anchor that leads nowhere"
            <| fun () ->
                Expect.equal
                    (small "[b](other.md#part) [c](#there)")
                    [
                        "docs/page.md: there is no heading #part in docs/other.md"
                        "docs/page.md: there is no heading #there in docs/page.md"
                    ]
                    "both"

            testCase "a path that leads nowhere"
            <| fun () ->
                Expect.equal
                    (small "See `Mcdrl.Core/B.fs`, `Mcdrl.Model.fs` and Mcdrl.Core/Values.")
                    [
                        "docs/page.md: there is no Mcdrl.Core/B.fs"
                        "docs/page.md: there is no Mcdrl.Model.fs"
                        "docs/page.md: there is no Mcdrl.Core/Values"
                    ]
                    "files and folders"

            testCase "a function that is elsewhere"
            <| fun () ->
                Expect.equal
                    (small "[`A.firs`](../Mcdrl.Core/A.fs) [`B.first`](../Mcdrl.Core/A.fs)")
                    [
                        "docs/page.md: A.firs is not in Mcdrl.Core/A.fs"
                        "docs/page.md: B.first is not in Mcdrl.Core/A.fs"
                    ]
                    "both"

            testCase "a promise that no test holds"
            <| fun () ->
                let textOf name =
                    if name = "ATests" then Some "test \"it holds\"" else None

                Expect.equal
                    (Documents.unheld
                        textOf
                        "| Never. | `ATests`: “it holds”, “it is new”; `BTests`: “it holds” |")
                    [ "ATests has no test “it is new”"; "there is no BTests" ]
                    "both"

            testCase "arrows of a graph and of its picture"
            <| fun () ->
                let expected = Set [ "Mcdrl.A", "Mcdrl.B" ]

                Expect.equal
                    (Documents.edgesOfDot
                        "digraph { \"Mcdrl.A\" [label=\"A -> C\"]\n \"Mcdrl.A\" -> \"Mcdrl.B\" }")
                    expected
                    "of the graph"

                Expect.equal
                    (Documents.edgesOfSvg
                        "<svg xmlns=\"http://www.w3.org/2000/svg\"><g><title>Mcdrl.A</title></g><g><title>Mcdrl.A&#45;&gt;Mcdrl.B</title></g></svg>")
                    expected
                    "of the picture"
        ]
