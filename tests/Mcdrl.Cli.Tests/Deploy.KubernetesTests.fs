module Mcdrl.Cli.Tests.DeployKubernetesTests

open System.Text.Json
open Expecto
open Mcdrl.Cli
open Mcdrl.Cli.Tests.DeployPlanTests
open Mcdrl.Tests

let private inPods =
    { plan with
        Image = Some "registry.example/mcdrl:0.1"
        Claim = Some("archive", "/archive")
        Gpus = 1
    }

let private text name plan =
    DeployKubernetes.files plan
    |> List.find (fun file -> file.Name = name)
    |> _.Text

/// The documents as Debian's Python reads YAML, for `kubectl` is in no package of Debian.
let private job name plan =
    Folder.temporary (fun folder ->
        let path = System.IO.Path.Combine(folder, name)
        System.IO.File.WriteAllText(path, text name plan)

        Programs.python
            [ "yaml" ]
            "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
            [ path ]
        |> JsonDocument.Parse
        |> _.RootElement)

let rec private at (path: string list) (element: JsonElement) =
    match path with
    | [] -> element
    | "0" :: rest -> at rest element[0]
    | key :: rest -> at rest (element.GetProperty key)

let private texts (element: JsonElement) =
    [ for item in element.EnumerateArray() -> string (item.GetString()) ]

let private pod = [ "spec"; "template"; "spec" ]
let private container = pod @ [ "containers"; "0" ]

let tests =
    testList
        "DeployKubernetes"
        [
            testCase "an Indexed Job: a pod a part, begun again by itself, its words as they are"
            <| fun () ->
                let found = job "segment.yaml" inPods
                let text path = string (at path found)

                for path, expected in
                    [
                        [ "apiVersion" ], "batch/v1"
                        [ "kind" ], "Job"
                        [ "metadata"; "name" ], "polyps-1"
                        [ "spec"; "completionMode" ], "Indexed"
                        [ "spec"; "completions" ], "20"
                        [ "spec"; "parallelism" ], "3"
                        [ "spec"; "backoffLimitPerIndex" ], "5"
                        [ "spec"; "podFailurePolicy"; "rules"; "0"; "action" ], "FailIndex"
                        pod @ [ "restartPolicy" ], "Never"
                        pod @ [ "activeDeadlineSeconds" ], string (1501 * 60)
                        container @ [ "image" ], "registry.example/mcdrl:0.1"
                        container @ [ "env"; "0"; "name" ], "DOTNET_PROCESSOR_COUNT"
                        container @ [ "env"; "0"; "value" ], "2"
                        container @ [ "resources"; "requests"; "cpu" ], "2"
                        container @ [ "resources"; "limits"; "memory" ], "6Gi"
                        container @ [ "resources"; "limits"; "nvidia.com/gpu" ], "1"
                        container @ [ "volumeMounts"; "0"; "mountPath" ], "/archive"
                        pod @ [ "volumes"; "0"; "persistentVolumeClaim"; "claimName" ], "archive"
                    ] do
                    Expect.equal (text path) expected (String.concat "." path)

                Expect.equal (texts (at (container @ [ "command" ]) found)) ("mcdrl" :: segmentWords) "words"

            testCase "the merge, and no graphics card where none is asked for"
            <| fun () ->
                let found = job "merge.yaml" inPods
                Expect.equal (texts (at (container @ [ "command" ]) found)) ("mcdrl" :: mergeWords) "words"
                Expect.equal (string (at [ "metadata"; "name" ] found)) "polyps-1-merge" "its name"
                Expect.isFalse ((text "merge.yaml" inPods).Contains "gpu") "no card to merge"
                Expect.isFalse ((text "segment.yaml" { inPods with Gpus = 0 }).Contains "gpu") "none"

            testCase "an experiment's runs, and its report"
            <| fun () ->
                let inPods =
                    { ofExperiment with
                        Image = inPods.Image
                        Claim = inPods.Claim
                    }

                let words name =
                    texts (at (container @ [ "command" ]) (job name inPods))

                Expect.equal (words "experiment.yaml") ("mcdrl" :: experimentWords) "a part"
                Expect.equal (words "report.yaml") ("mcdrl" :: reportWords) "the report"

                Expect.equal
                    (string (at (container @ [ "resources"; "limits"; "memory" ]) (job "report.yaml" inPods)))
                    "6Gi"
                    "as much as a part"

            testCase "without a reader of YAML: words are written as JSON, and keys lie as they should"
            <| fun () ->
                let lines = (text "segment.yaml" inPods).Split '\n'

                let command =
                    lines |> Array.find (fun line -> line.StartsWith "          command: ")

                Expect.equal
                    (JsonSerializer.Deserialize<string list>(command.Substring 19))
                    ("mcdrl" :: segmentWords)
                    "words"

                for line in
                    [
                        "  completionMode: Indexed"
                        "  completions: 20"
                        "  backoffLimitPerIndex: 5"
                        "  template:"
                        "      containers:"
                        "          image: \"registry.example/mcdrl:0.1\""
                    ] do
                    Expect.contains lines line "a line"
        ]
