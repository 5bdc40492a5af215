module Mcdrl.Cli.Tests.EvaluateVerbTests

open Expecto
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private ofWorld extra =
    mcdrl ([ "evaluate"; "--model"; World.bundle (); "--data"; World.data () ] @ extra)

let tests =
    testSequenced (
        testList
            "evaluate"
            [
                test "figures of the unseen site and of the trivial answers" {
                    let outcome = ofWorld [ "--site"; "c"; "--per-image"; "--json" ]
                    Expect.equal outcome.Code 0 outcome.Err
                    let found = objects outcome |> Array.exactlyOne
                    let answers = found.GetProperty "answers"
                    Expect.equal (answers.GetArrayLength()) 3 "the model and two trivial answers"

                    for answer in answers.EnumerateArray() do
                        let site = answer.GetProperty("sites").EnumerateArray() |> Seq.exactlyOne
                        Expect.equal (site.GetProperty("site").GetString()) "c" "the site asked for"
                        Expect.equal (site.GetProperty("images").GetInt32()) 6 "its frames"

                    Expect.equal (found.GetProperty("images").GetArrayLength()) 6 "each frame"
                    let findings = found.GetProperty("findings").EnumerateArray() |> Seq.exactlyOne
                    Expect.equal (findings.GetProperty("site").GetString()) "c" "findings of the site"
                    Expect.equal (findings.GetProperty("intervals_of").GetString()) "6 images" "what is drawn"

                    Expect.equal
                        (findings.GetProperty("tolerance_percent_of_diagonal").GetDouble())
                        1.0
                        "tolerance"

                    Expect.equal (findings.GetProperty("reliability").GetArrayLength()) 15 "bins"

                    for key in
                        [
                            "dice"
                            "nsd"
                            "sensitivity"
                            "false_positives"
                            "empty_marked"
                            "ece"
                            "brier"
                            "aurc_entropy"
                        ] do
                        let figure = findings.GetProperty key
                        let number (name: string) = figure.GetProperty(name).GetDouble()

                        Expect.isTrue
                            (number "low" <= number "estimate" && number "estimate" <= number "high")
                            key

                    let curve = findings.GetProperty("risk_coverage").GetProperty("entropy")
                    Expect.equal (curve.GetArrayLength()) 10 "tenths of the frames"

                    Expect.stringContains
                        (found.GetProperty("definitions").GetProperty("lesions").GetRawText())
                        "IoU above 0.5"
                        "the matching rule"

                    let lesions =
                        [
                            for image in found.GetProperty("images").EnumerateArray() ->
                                Expect.isTrue (image.GetProperty("nsd").GetDouble() <= 1.0) "NSD of the frame"
                                image.GetProperty("lesions").GetArrayLength()
                        ]

                    Expect.equal (List.sum lesions) (findings.GetProperty("lesions").GetInt32()) "lesions"
                    Expect.stringContains outcome.Err "NSD %" "in the table for people"
                    Expect.isFalse (outcome.Err.Contains "Acc") "accuracy isn't"
                    Expect.stringContains outcome.Err "lesions found %" "and in more detail"
                    Expect.equal (found.GetProperty("seen_sites").GetArrayLength()) 0 "c was not seen"
                    let warning = found.GetProperty("warning").EnumerateArray() |> Seq.exactlyOne
                    Expect.equal (warning.GetProperty("site").GetString()) "c" "the site's warning"
                    Expect.equal (warning.GetProperty("below").GetDouble()) 0.7 "the Dice"
                    let low = warning.GetProperty("low_images").GetInt32()
                    let isSome = low > 0 && low < 6

                    for kind in
                        [ "disagreement"; "entropy"; "disagreement_near_lesion"; "entropy_near_lesion" ] do
                        let area = warning.GetProperty kind
                        Expect.equal (area.ValueKind = System.Text.Json.JsonValueKind.Object) isSome kind

                        if isSome then
                            Expect.isLessThanOrEqual
                                (area.GetProperty("low").GetDouble())
                                (area.GetProperty("high").GetDouble())
                                kind

                        for image in found.GetProperty("images").EnumerateArray() do
                            Expect.isGreaterThanOrEqual (image.GetProperty(kind).GetDouble()) 0.0 kind
                }

                test "--flips: figures of the averaged answers, and which they are" {
                    let ask flips =
                        let outcome = ofWorld ([ "--site"; "c"; "--per-image"; "--json" ] @ flips)
                        Expect.equal outcome.Code 0 outcome.Err
                        let found = objects outcome |> Array.exactlyOne
                        found.GetProperty("flips").GetString(), found.GetProperty("images").ToString()

                    let named, four = ask [ "--flips"; "both" ]
                    let none, one = ask []
                    Expect.equal (named, none) ("both", "none") "told"
                    Expect.notEqual four one "other figures"
                    Expect.equal (snd (ask [ "--flips"; "none" ])) one "as the model says"
                    Expect.stringContains (ofWorld [ "--flips"; "both" ]).Out "mirror images: both" "in words"
                    let refused = ofWorld [ "--flips"; "up" ]
                    Expect.equal refused.Code 2 refused.Err
                    Expect.stringContains refused.Err "none, horizontal or both" "the choice"
                }

                test "--threshold and --min-area: other masks are scored, and told; not with --interventional" {
                    let dice extra =
                        let outcome = ofWorld ([ "--site"; "c"; "--json" ] @ extra)
                        Expect.equal outcome.Code 0 outcome.Err
                        let found = objects outcome |> Array.exactlyOne

                        found,
                        found
                            .GetProperty("answers")
                            .[0].GetProperty("all")
                            .GetProperty("dice")
                            .GetProperty("mean")
                            .GetDouble()

                    let usual, mean = dice []

                    Expect.equal
                        (usual.GetProperty("threshold").ValueKind)
                        System.Text.Json.JsonValueKind.Null
                        "most probable class"

                    let nothing, none = dice [ "--min-area"; "100000" ]
                    Expect.equal (nothing.GetProperty("min_area").GetInt64()) 100000L "told"

                    Expect.floatClose
                        Accuracy.high
                        none
                        (1.0 / 6.0)
                        "nothing is marked: right on one frame of six"

                    let low, more = dice [ "--threshold"; "0.01" ]
                    Expect.equal (low.GetProperty("threshold").GetDouble()) 0.01 "told"
                    Expect.notEqual more mean "other masks"

                    for extra, named in
                        [
                            [ "--threshold"; "1.5" ], "--threshold: 1.5"
                            [ "--min-area"; "-1" ], "--min-area: -1"
                            [ "--interventional"; "--threshold"; "0.5" ], "--threshold"
                        ] do
                        let outcome = ofWorld extra
                        Expect.equal outcome.Code 2 outcome.Err
                        Expect.stringContains outcome.Err named "named"
                }

                test "a site of the training is told" {
                    let outcome = ofWorld [ "--site"; "a" ]
                    Expect.equal outcome.Code 0 outcome.Err
                    Expect.stringContains outcome.Out "trained on a" "told"
                }

                test "every scene under every condition, two models side by side" {
                    let outcome =
                        ofWorld
                            [
                                "--interventional"
                                "--against"
                                World.bundle ()
                                "--site"
                                "c"
                                "--images"
                                "2"
                                "--mode"
                                "attention"
                                "--json"
                            ]

                    Expect.equal outcome.Code 0 outcome.Err
                    let found = objects outcome |> Array.exactlyOne
                    let number (name: string) = found.GetProperty(name).GetDouble()
                    Expect.equal (found.GetProperty("protocol").GetString()) "interventional" "protocol"
                    Expect.equal (found.GetProperty("mode").GetString()) "attention" "mode"
                    Expect.equal (number "strength", number "images") (0.6, 2.0) "what was done"
                    let perCondition = found.GetProperty "per_condition"

                    let dices =
                        [
                            for row in perCondition.EnumerateObject() ->
                                row.Name, row.Value.GetProperty("dice").GetDouble()
                        ]

                    Expect.equal dices.Length 8 "conditions"
                    let worst = found.GetProperty "worst_condition"
                    let lowest = List.minBy snd dices
                    Expect.equal (worst.GetProperty("name").GetString()) (fst lowest) "worst"
                    Expect.equal (worst.GetProperty("dice").GetDouble()) (snd lowest) "its Dice"
                    Expect.floatClose Accuracy.high (number "mean_dice") (List.averageBy snd dices) "mean"
                    let reference = found.GetProperty("reference").GetProperty("dice").GetDouble()
                    let nine = reference :: List.map snd dices
                    Expect.floatClose Accuracy.high (number "robust_dice") (List.average nine) "robust"
                    let blur = perCondition.GetProperty "blur"
                    let figure (name: string) = blur.GetProperty(name).GetDouble()
                    let difference = blur.GetProperty "do_difference"

                    Expect.floatClose
                        Accuracy.high
                        (difference.GetProperty("mean").GetDouble())
                        (figure "do_dice" - figure "unchanged_dice")
                        "masks under do(blur)"

                    Expect.isTrue (0.0 <= number "invariance" && number "invariance" <= 1.0) "invariance"
                    let gap = found.GetProperty("confounding_gap").ValueKind
                    Expect.equal gap System.Text.Json.JsonValueKind.Null "no gap on recorded frames"
                    let other = found.GetProperty "against"
                    let same = other.GetProperty("mean_dice").GetDouble()
                    Expect.equal same (number "mean_dice") "the same model, the same figure"
                    let none = other.GetProperty("difference").GetProperty("robust_dice")
                    Expect.equal (none.GetProperty("high").GetDouble()) 0.0 "no difference"
                    Expect.stringContains outcome.Err "worst condition" "a table for people"
                    Expect.stringContains outcome.Err "masks under do(c)" "and of masks"
                    Expect.stringContains outcome.Err "difference" "of the two"
                }

                test "arguments of one kind of evaluation are refused by the other" {
                    for extra, named in
                        [
                            [ "--strength"; "0.5" ], "--strength"
                            [ "--against"; World.bundle () ], "--against"
                            [ "--interventional"; "--per-image" ], "--per-image"
                            [ "--interventional"; "--protocol"; "micro" ], "--protocol"
                            [ "--interventional"; "--strength"; "2" ], "--strength 2"
                        ] do
                        let outcome = ofWorld extra
                        Expect.equal outcome.Code 2 outcome.Err
                        Expect.equal outcome.Out "" "nothing on stdout"
                        Expect.stringContains outcome.Err named "named"
                }

                test "a mandatory argument is missing" {
                    for arguments, absent in
                        [ [ "--data"; "d" ], "--model"; [ "--model"; "m" ], "--data"; [], "--model" ] do
                        let outcome = mcdrl ("evaluate" :: arguments)
                        Expect.equal outcome.Code 2 absent
                        Expect.equal outcome.Out "" "nothing on stdout"
                        Expect.stringContains outcome.Err absent "named"
                        Expect.isMatch outcome.Err "(?i)usage" "shows the usage"
                }

                test "what is not there" {
                    for arguments, code, named in
                        [
                            [ "--model"; "/nonexistent/m"; "--data"; World.data () ], 3, "/nonexistent/m"
                            [ "--model"; World.bundle (); "--data"; "/nonexistent/d" ], 4, "/nonexistent/d"
                        ] do
                        let outcome = mcdrl ("evaluate" :: arguments)
                        Expect.equal outcome.Code code outcome.Err
                        Expect.stringContains outcome.Err named "named"

                    for extra in
                        [
                            [ "--site"; "z" ]
                            [ "--protocol"; "z" ]
                            [ "--mode"; "z" ]
                            [ "--device"; "z" ]
                        ] do
                        let outcome = ofWorld extra
                        Expect.equal outcome.Code 2 outcome.Err
                        Expect.stringContains outcome.Err "z" "named"
                }
            ]
    )
