module Mcdrl.Tests.NamedTowerTests

open Expecto
open TorchSharp
open Mcdrl

let tests =
    testList
        "NamedTower"
        [
            testCase "every published architecture has the name that its shapes tell"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for name in NamedTower.names |> List.except [ "mini" ] do
                    Expect.equal (NamedTower.template name |> Option.map Tower.name) (Some name) "read off"

            testCase "mini is the tower of models/mini: 128 px, stages of 1 and 3 blocks"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let mini = Expect.wantSome (NamedTower.template "mini") "there"

                Expect.equal
                    (Tower.name mini, Tower.inputSize mini, Tower.width mini)
                    ("RN-1-3-32", 128L, 128L)
                    "its shapes"

            testCase "texts are as wide as an aligned tower's map"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                let width name =
                    NamedTower.template name |> Option.map NamedTower.textWidth

                Expect.equal (width "ViT-L-14") (Some 768L) "CLIP"
                Expect.equal (width "resnet50") (Some 384L) "a sentence encoder"
                Expect.equal (width "ViT-XL") None "unknown"
        ]
