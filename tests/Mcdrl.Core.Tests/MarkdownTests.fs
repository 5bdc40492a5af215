module Mcdrl.Tests.MarkdownTests

open Expecto
open Mcdrl

let tests =
    testList
        "Markdown"
        [
            testCase "ordinary names stay as they are"
            <| fun () ->
                for name in [ "polyp"; "colon_polyp 2"; "CVC-ClinicDB"; "Größe, 息肉 (a.b)" ] do
                    Expect.equal (Markdown.text name) name name

            testCase "elements, links, cells, headings and line ends are text"
            <| fun () ->
                for name, expected in
                    [
                        "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"
                        "a|b", "a\\|b"
                        "![x](http://e)", "!\\[x\\](http://e)"
                        "# evil", "\\# evil"
                        "a\n# b", "a\\\\u000a\\# b"
                        "`code`", "\\`code\\`"
                        "- item", "\\- item"
                        "&lt;", "&amp;lt;"
                    ] do
                    Expect.equal (Markdown.text name) expected name

            Property.check "no text has an element, a cell's end or a second line"
            <| fun (FsCheck.NonEmptyString text) ->
                let found = Markdown.text text
                Expect.isFalse (found.Contains '<' || found.Contains '\n') "element, line"
                Expect.isFalse ((found.Replace("\\|", "")).Contains '|') "cell"
        ]
