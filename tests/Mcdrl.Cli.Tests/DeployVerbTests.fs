module Mcdrl.Cli.Tests.DeployVerbTests

open System.IO
open Expecto
open Mcdrl.Cli.Tests.CommandLine
open Mcdrl.Tests

let private examples = Path.Combine(Repository.root, "deploy")

let tests =
    testList
        "deploy"
        [
            test "the examples in deploy/ are what the page's calls make" {
                let calls =
                    [
                        for block in Pages.blocks "sh" "docs/scale.md" do
                            for command in Pages.commands block do
                                match command with
                                | "mcdrl" :: "deploy" :: engine :: rest -> engine, rest
                                | _ -> ()
                    ]

                let engines = [ "slurm"; "k8s"; "parallel" ]
                Expect.equal (List.map fst calls) (engines @ engines) "engines"

                Folder.temporary (fun folder ->
                    for engine, rest in calls do
                        let work = if rest.Head = "experiment" then "experiment" else "segment"
                        let inside (place: string) name = Path.Combine(place, engine, work, name)
                        let outcome = mcdrl ("deploy" :: engine :: rest @ [ "--to"; inside folder "" ])
                        Expect.equal outcome.Code 0 outcome.Err

                        let names place =
                            Directory.GetFiles(inside place "") |> Array.map Path.GetFileName |> Array.sort

                        Expect.equal (names examples) (names folder) engine

                        for name in names folder do
                            let name = nonNull name

                            Expect.equal
                                (File.ReadAllText(inside examples name))
                                (File.ReadAllText(inside folder name))
                                $"deploy/{engine}/{work}/{name}"

                            Expect.equal
                                (File.GetUnixFileMode(inside folder name) &&& UnixFileMode.UserExecute
                                 <> UnixFileMode.None)
                                (name.EndsWith ".sh")
                                name

                            if not (name.EndsWith ".yaml") then
                                Programs.printed "bash" [ "-n"; inside folder name ] |> ignore)
            }

            test "a list that is here is checked, and counted" {
                Folder.temporary (fun folder ->
                    let inside name = Path.Combine(folder, name)
                    File.WriteAllLines(inside "list.txt", [ for index in 1..10 -> $"{index}.png" ])

                    let deploy more =
                        mcdrl (
                            [ "deploy"; "slurm"; "--list"; inside "list.txt"; "--out"; inside "out" ]
                            @ [ "--parts"; "4"; "--to"; inside "scripts" ]
                            @ more
                        )

                    let told = deploy [ "--json" ]
                    Expect.equal told.Code 0 told.Err
                    Expect.equal ((objects told).[0].GetProperty("images").GetInt32()) 10 "images"
                    Expect.stringContains told.Err "about 3 a part" "said"
                    File.AppendAllText(inside "list.txt", "./7.png\n")
                    let twice = deploy []
                    Expect.equal twice.Code 4 twice.Err
                    Expect.stringContains twice.Err "list.txt, line 11" "named")
            }

            test "what segment is asked is handed on, and paths are whole" {
                Folder.temporary (fun folder ->
                    let to' = Path.Combine(folder, "to")

                    let outcome =
                        mcdrl (
                            [ "deploy"; "slurm"; "--list"; "/a/l.txt"; "--root"; "/b/../c"; "--out"; "/o" ]
                            @ [ "--parts"; "2"; "--to"; to'; "--gpus"; "1"; "--mode"; "attention" ]
                            @ [ "--precision"; "bf16"; "--threshold"; "0.25"; "--min-area"; "9" ]
                            @ [ "--probabilities"; "--explain"; "--program"; "/opt/x/mcdrl" ]
                        )

                    Expect.equal outcome.Code 0 outcome.Err
                    Expect.stringContains outcome.Out "/a/l.txt is not here" "said"

                    Expect.stringContains
                        (File.ReadAllText(Path.Combine(to', "segment.sbatch")))
                        "\n/opt/x/mcdrl segment --list /a/l.txt --root /c --out /o --mode attention --device cuda --precision bf16 --threshold 0.25 --min-area 9 --probabilities --explain --parts 2 &\n"
                        "words")
            }

            test "an experiment: its words are handed on, its runs counted where its data is here" {
                Folder.temporary (fun folder ->
                    let data, to' = Path.Combine(folder, "d"), Path.Combine(folder, "to")

                    let phantom =
                        mcdrl [ "phantom"; "--out"; data; "--sites"; "2"; "--images"; "2"; "--side"; "64" ]

                    Expect.equal phantom.Code 0 phantom.Err

                    let deploy more =
                        mcdrl (
                            [ "deploy"; "slurm"; "experiment"; "table3"; "--out"; "/o"; "--parts"; "6" ]
                            @ [ "--to"; to' ]
                            @ more
                        )

                    let asked =
                        [
                            "--data"
                            data
                            "--weights"
                            "/w/../v/w.safetensors"
                            "--text"
                            "/t/t.safetensors"
                        ]
                        @ [ "--set"; "optimiser.epochs=9"; "--set"; "method.alpha=0.4"; "--seeds"; "5" ]
                        @ [ "--methods"; "baseline,mcdrl"; "--gpus"; "1"; "--json" ]

                    let told = deploy asked
                    Expect.equal told.Code 0 told.Err

                    Expect.stringContains
                        told.Err
                        "up to 20 runs in 6 parts"
                        "two methods, two sites, five seeds"

                    let object = (objects told).[0]
                    Expect.equal (object.GetProperty("work").GetString()) "experiment" "work"
                    Expect.equal (object.GetProperty("runs").GetInt32()) 20 "runs"

                    let words =
                        $"experiment table3 --data {data} --weights /v/w.safetensors --text /t/t.safetensors --set optimiser.epochs=9 --set method.alpha=0.4 --methods baseline,mcdrl --seeds 5 --out /o"

                    let script name =
                        File.ReadAllText(Path.Combine(to', name))

                    Expect.stringContains
                        (script "experiment.sbatch")
                        $"\nmcdrl {words} --device cuda --parts 6 &\n"
                        "a part"

                    Expect.stringContains
                        (script "report.sbatch")
                        $"\nexec mcdrl {words} --report-only\n"
                        "the report"

                    // What the page says is what `mcdrl experiment` would be given.
                    let elsewhere = deploy [ "--data"; "/none/d"; "--tower"; "mini"; "--device"; "cpu" ]
                    Expect.equal elsewhere.Code 0 elsewhere.Err
                    Expect.stringContains elsewhere.Out "/none/d is not here" "said"

                    Expect.stringContains
                        (script "experiment.sbatch")
                        "--tower mini --seeds 3 --out /o --device cpu --parts 6"
                        "the default is spelt out")
            }

            test "an experiment that would be refused is refused before an array is made of it" {
                Folder.temporary (fun folder ->
                    let to' = Path.Combine(folder, "to")

                    for words, more, named in
                        [
                            [ "experiment" ], [], "mcdrl deploy … experiment: it has no name"
                            [ "experiment"; "table9" ], [], "table9"
                            [ "experiment"; "table3"; "table4" ], [], "table4"
                            [ "experimnet"; "table3" ], [], "Did you mean experiment?"
                            [ "train" ], [], "Choose segment or experiment"
                            [ "experiment"; "table3" ],
                            [ "--list"; "/l.txt" ],
                            "--list: it goes with segment"
                            [ "experiment"; "table3" ],
                            [ "--threshold"; "0.5" ],
                            "--threshold: it goes with segment"
                            [ "experiment"; "table3" ], [ "--methods"; "mcdlr,mcdrl" ], "--methods mcdlr"
                            [ "experiment"; "table3" ], [ "--seeds"; "0" ], "--seeds"
                            [ "experiment"; "table3" ], [ "--conditions"; "0" ], "--conditions"
                            [ "experiment"; "table3" ], [ "--set"; "method.alfa=1" ], "method.alfa"
                            [ "experiment"; "table3" ], [ "--protocol"; "half" ], "half"
                            [ "segment" ], [ "--list"; "/l.txt" ], "--data: it goes with experiment"
                            [ "segment"; "frames" ], [ "--list"; "/l.txt" ], "frames"
                        ] do
                        let outcome =
                            mcdrl (
                                [ "deploy"; "slurm" ]
                                @ words
                                @ [
                                    "--data"
                                    "/none/d"
                                    "--tower"
                                    "mini"
                                    "--out"
                                    "/o"
                                    "--parts"
                                    "2"
                                    "--to"
                                    to'
                                ]
                                @ more
                            )

                        Expect.equal outcome.Code 2 $"{words} {more}: {outcome.Err}"
                        Expect.stringContains outcome.Err named $"{words} {more}"
                        Expect.isFalse (Directory.Exists to') "nothing is written"

                    let weightless =
                        mcdrl
                            [
                                "deploy"
                                "slurm"
                                "experiment"
                                "table3"
                                "--data"
                                "/d"
                                "--out"
                                "/o"
                                "--parts"
                                "2"
                            ]

                    Expect.stringContains weightless.Err "--weights" "it needs weights"

                    let listless = mcdrl [ "deploy"; "slurm"; "segment"; "--out"; "/o"; "--parts"; "2" ]
                    Expect.stringContains listless.Err "--list is missing" "it needs a list"

                    let dataless =
                        mcdrl [ "deploy"; "slurm"; "experiment"; "table3"; "--out"; "/o"; "--parts"; "2" ]

                    Expect.stringContains dataless.Err "--data is missing" "it needs data")
            }

            test "wrong usage is refused, and says what to do" {
                for engine, more, named in
                    [
                        "slrum", [], "Did you mean slurm?"
                        "slurm", [ "--claim"; "c" ], "--claim: it goes with k8s"
                        "k8s", [], "Give --image and --claim"
                        "k8s",
                        [ "--image"; "i"; "--claim"; "c"; "--partition"; "p" ],
                        "--partition: it goes with slurm"
                        "parallel", [ "--mount"; "/d" ], "--mount"
                        "slurm", [ "--parts"; "0" ], "--parts"
                        "slurm", [ "--mode"; "exakt" ], "--mode exakt"
                        "slurm", [ "--threshold"; "2" ], "--threshold"
                        "slurm", [ "--model"; "m"; "--onnx"; "o" ], "--onnx doesn't go with --model"
                    ] do
                    let parts =
                        if List.contains "--parts" more then
                            []
                        else
                            [ "--parts"; "2" ]

                    let outcome =
                        mcdrl (
                            [ "deploy"; engine; "--list"; "/none/l.txt"; "--out"; "/none/o" ] @ parts @ more
                        )

                    Expect.equal outcome.Code 2 $"{engine} {more}"
                    Expect.stringContains outcome.Err named $"{engine} {more}"
            }
        ]
