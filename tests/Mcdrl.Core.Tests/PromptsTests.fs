module Mcdrl.Tests.PromptsTests

open Expecto
open Mcdrl

let tests =
    testList
        "Prompts"
        [
            testCase "twelve conditions in five categories, fifteen with the three more"
            <| fun () ->
                let all: Condition list = Prompts.conditions @ Prompts.extraConditions
                Expect.equal Prompts.conditions.Length 12 "twelve"
                Expect.equal (List.distinct (all |> List.map _.Name)).Length 15 "fifteen, all different"
                Expect.equal (List.distinct (all |> List.map _.Category)).Length 5 "categories"

            testCase "the prompts of two classes under two conditions, in order"
            <| fun () ->
                Expect.equal
                    (Prompts.all [ "polyp"; "cyst" ] [ "blur"; "blood" ])
                    [
                        "A polyp in an endoscopic image"
                        "A cyst in an endoscopic image"
                        "An endoscopy image with blur"
                        "An endoscopy image with blood"
                        "A polyp with blur"
                        "A polyp with blood"
                        "A cyst with blur"
                        "A cyst with blood"
                        "An endoscopic image of normal mucosa"
                    ]
                    "as `PromptTexts` cuts them"
        ]
