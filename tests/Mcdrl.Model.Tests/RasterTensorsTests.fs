module Mcdrl.Tests.RasterTensorsTests

open Expecto
open Mcdrl

let tests =
    testList
        "RasterTensors"
        [
            testCase "a label map goes through a tensor unchanged"
            <| fun () ->
                let map: LabelMap =
                    {
                        Width = 2
                        Height = 3
                        Labels = [| 0uy; 1uy; 2uy; 127uy; 128uy; 255uy |]
                    }

                use tensor = RasterTensors.ofLabels map
                Expect.equal (List.ofArray tensor.shape) [ 3L; 2L ] "height first"
                Expect.equal (RasterTensors.toLabels tensor) map "same labels"

            testCase "a picture's tensor has its colours in the first dimension"
            <| fun () ->
                let picture: Picture =
                    {
                        Width = 2
                        Height = 1
                        Rgb = [| 10uy; 20uy; 30uy; 40uy; 50uy; 60uy |]
                        Orientation = Orientation.TopLeft
                    }

                use tensor = RasterTensors.ofPicture picture
                Expect.equal (List.ofArray tensor.shape) [ 3L; 1L; 2L ] "[3; H; W]"
                Expect.equal (tensor.data<byte>().ToArray()) [| 10uy; 40uy; 20uy; 50uy; 30uy; 60uy |] "planes"
        ]
