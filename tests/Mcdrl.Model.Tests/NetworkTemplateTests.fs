module Mcdrl.Tests.NetworkTemplateTests

open Expecto
open TorchSharp
open Mcdrl

let private texts () =
    let _, texts, _ = ObjectiveTests.problem ObjectiveTests.settings
    texts

let private methodOf unselected classesBy refinements =
    { ObjectiveTests.settings.Method with
        Unselected = unselected
        ClassesBy = classesBy
        Refinements = refinements
    }

let private sizes aligned : TowerSizes =
    {
        IsAligned = aligned
        Width = 10L
        SkipChannels = [ 4L; 5L; 6L ]
    }

let private plain = methodOf Unselected.Dense ClassesBy.Head 0, sizes true

let private rich = methodOf Unselected.Background ClassesBy.Texts 2, sizes false

let private create (method, sizes) filling =
    NetworkTemplate.create method sizes (texts ()) filling

let private drawn = Filling.Drawn(Seed.create 1UL)

let tests =
    testSequenced
    <| testList
        "NetworkTemplate"
        [
            testCase
                "a new network has a projection, a background, refinements and text classes only where asked for"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let plain = create plain drawn
                Expect.isNone plain.projection "aligned"
                Expect.isNone plain.background "dense"
                Expect.isEmpty plain.head.refinements "none"
                Expect.isNone plain.text_classes "the head tells the classes apart"
                Expect.equal plain.head.conv_2.weight.shape[0] 3L "normal and two classes"
                let network = create rich drawn
                let projection = Expect.wantSome network.projection "not aligned"
                Expect.equal (List.ofArray projection.weight.shape) [ 8L; 10L ] "from tower to text"
                let background = Expect.wantSome network.background "background"
                Expect.equal (List.ofArray background.shape) [ 8L ] "a text's width"
                Expect.isSome network.text_classes "texts tell the classes apart"
                Expect.equal network.head.conv_2.weight.shape[0] 2L "normal and lesion"

                Expect.equal
                    (network.head.refinements |> List.map (fun step -> step.lateral.weight.shape[1]))
                    [ 6L; 5L ]
                    "the coarsest first"

                for (name, a), b in List.zip (Tree.leaves network) (Tree.tensors (create rich drawn)) do
                    Expect.isTrue (a.equal(b).all().item<bool>()) name

            testCase "without values it is the same network, in no memory"
            <| fun () ->
                use _scope = torch.NewDisposeScope()

                for described in [ plain; rich ] do
                    let shapes = Tree.leaves (create described Filling.Shapes)

                    for (name, shape), value in List.zip shapes (Tree.tensors (create described drawn)) do
                        Expect.equal (List.ofArray shape.shape) (List.ofArray value.shape) name
                        Expect.equal shape.dtype value.dtype name
                        Expect.equal shape.device.``type`` DeviceType.META name

            testCase "a network's own leaves are loaded, and what one lacks is named"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let method, sizes = rich
                let network = create rich drawn
                let leaves = Map.ofList (Tree.leaves network)

                let load leaves =
                    NetworkTemplate.load "w" method sizes (texts ()) leaves

                match load leaves with
                | Error problem -> failtest (McdrlError.describe problem)
                | Ok found ->
                    for (name, a), b in List.zip (Tree.leaves network) (Tree.tensors found) do
                        Expect.isTrue (obj.ReferenceEquals(a, b)) name

                match load (leaves.Remove "head.ln.weight") with
                | Ok _ -> failtest "loaded"
                | Error problem ->
                    Expect.stringContains (McdrlError.describe problem) "head.ln.weight" "what is missing"

            testCase "loading leaves nothing behind"
            <| fun () ->
                use _scope = torch.NewDisposeScope()
                let method, sizes = rich
                let texts, leaves = texts (), Map.ofList (Tree.leaves (create rich drawn))

                let load () =
                    NetworkTemplate.load "w" method sizes texts leaves |> ignore

                load ()
                let before = torch.Tensor.TotalCount
                load ()
                Expect.equal torch.Tensor.TotalCount before "no tensor more"
        ]
