module Mcdrl.Tests.ExperimentCsvTests

open Expecto
open Mcdrl
open Mcdrl.Tests.Experiments

/// The fields of RFC 4180 text, line by line.
let private read (text: string) =
    let rec fields (field: string) line lines quoted (rest: char list) =
        match quoted, rest with
        | true, '"' :: '"' :: rest -> fields (field + "\"") line lines true rest
        | true, '"' :: rest -> fields field line lines false rest
        | true, letter :: rest -> fields (field + string letter) line lines true rest
        | false, '"' :: rest -> fields field line lines true rest
        | false, ',' :: rest -> fields "" (field :: line) lines false rest
        | false, '\r' :: '\n' :: rest -> fields "" [] (List.rev (field :: line) :: lines) false rest
        | false, letter :: rest -> fields (field + string letter) line lines false rest
        | _, [] ->
            Expect.equal (field, line) ("", []) "the last line is ended"
            List.rev lines

    fields "" [] [] false (List.ofSeq text)

let tests =
    testList
        "Experiment.Csv"
        [
            test "one line an image, exactly" {
                let methods = [ runs "ours" "Ours" [ run "ours" "east" 2UL [ 0.5; nan ] ] ]

                let further =
                    "foreground dice,nsd,nsd tolerance in pixels,lesions,lesions found,false positives,lesion area,marked area,size,ece,brier,disagreement,entropy,disagreement near lesion,entropy near lesion,group"

                Expect.equal
                    (ExperimentCsv.images [ "polyp"; "cyst" ] methods)
                    ("method,site,seed,stem,dice,iou,accuracy,dice polyp,dice cyst,"
                     + further
                     + "\r\n"
                     + "ours,east,2,a,0.5,0.3333333333333333,0.9,0.5,,,,,,,,,,,,,,,,,\r\n"
                     + "ours,east,2,b,,,0.9,,,,,,,,,,,,,,,,,,\r\n")
                    "of results without findings"

                let found =
                    runs "ours" "Ours" [ run "ours" "east" 2UL [ 0.5 ] |> withFindings [ 0.25 ] ]

                Expect.equal
                    (ExperimentCsv.images [] [ found ]
                     |> fun text -> text.Split "\r\n" |> Array.item 1)
                    "ours,east,2,a,0.5,0.3333333333333333,0.9,0.25,0.75,2.5,1,1,2,0.04,0.05,large,0.1,0.2,0.25,0.5,,0.125,p1"
                    "with findings"
            }

            test "a name that a spreadsheet would compute is text, and a number stays one" {
                let cell name =
                    let methods = [ runs name "Ours" [ run name "east" 1UL [ 0.5 ] ] ]
                    let lines = read (ExperimentCsv.images [] methods)
                    lines[1][0]

                for name in
                    [
                        "=cmd|' /C calc'!A0"
                        "+1+cmd"
                        "-2+3"
                        "@SUM(1)"
                        "\t=1"
                        "=HYPERLINK(\"http://e\")"
                    ] do
                    Expect.equal (cell name) $"'{name}" name

                for name in [ "-0.5"; "+1"; "1e-3"; "polyp"; "a=b" ] do
                    Expect.equal (cell name) name name

                Expect.equal (cell "a\u001b[31m\u202eb\rc") @"a\u001b[31m\u202eb\u000dc" "spelt out"
            }

            Property.check "whatever names hold, they are read back as they are shown"
            <| fun (FsCheck.NonEmptyString name) (FsCheck.NonEmptyString site) ->
                let shown (text: string) =
                    let isNumber, _ =
                        System.Double.TryParse(
                            text,
                            System.Globalization.NumberStyles.Float,
                            System.Globalization.CultureInfo.InvariantCulture
                        )

                    Printable.text (
                        if "=+-@\t\r".Contains(text[0]) && not isNumber then
                            "'" + text
                        else
                            text
                    )

                let methods = [ runs name "Ours" [ run name site 1UL [ 0.5 ] ] ]
                let lines = read (ExperimentCsv.images [ "a,b"; "say \"c\"" ] methods)
                Expect.equal (lines[0][7..8]) [ "dice a,b"; "dice say \"c\"" ] "header"
                Expect.equal (lines[1][0..3]) [ shown name; shown site; "1"; "a" ] "fields"

            test "the summary has a line a method and site and one for all, each of the header's width" {
                let methods = [ whole "ours" "Ours" 0.5; whole "rival" "Rival" 0.4 ]
                let lines = read (ExperimentCsv.summary (ExperimentReport.create facts methods))

                Expect.equal
                    (lines.Tail |> List.map (List.truncate 4))
                    [
                        for key in [ "ours"; "rival" ] do
                            for site in [ "east"; "west"; "all" ] -> [ key; site; "2"; "2" ]
                    ]
                    "rows"

                Expect.allEqual (lines |> List.map List.length) 14 "width"
                Expect.equal (lines[1][10..]) [ ""; ""; ""; "" ] "the reference has no difference"
                Expect.floatClose Accuracy.high (float (lines[6][10])) 0.1 "difference"
                Expect.equal (lines[6][13]) "yes" "and its interval excludes 0"
            }

            test "a run that is missing leaves fields empty" {
                let methods = [ runs "ours" "Ours" [ run "ours" "east" 1UL [ 0.5 ] ] ]
                let lines = read (ExperimentCsv.summary (ExperimentReport.create facts methods))
                Expect.equal (lines[1][0..5]) [ "ours"; "east"; "1"; "2"; "0.5"; "" ] "one seed: no spread"
                Expect.equal (lines[2][2..5]) [ "0"; "2"; ""; "" ] "west"
                Expect.equal (lines[3][2..5]) [ "0"; "2"; ""; "" ] "all"
            }
        ]
