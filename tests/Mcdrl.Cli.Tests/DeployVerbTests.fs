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

                Expect.equal (List.map fst calls) [ "slurm"; "k8s"; "parallel" ] "engines"

                Folder.temporary (fun folder ->
                    for engine, rest in calls do
                        let inside (place: string) name = Path.Combine(place, engine, name)
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
                                $"deploy/{engine}/{name}"

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
                        "exec /opt/x/mcdrl segment --list /a/l.txt --root /c --out /o --parts 2 --mode attention --device cuda --precision bf16 --threshold 0.25 --min-area 9 --probabilities --explain\n"
                        "words")
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
