module Mcdrl.Tests.ProbabilityMapsTests

open System.IO
open Expecto
open Mcdrl

let tests =
    test "ProbabilityMaps: 16-bit samples, 65535 for 1; what is out of range is cut" {
        Folder.temporary (fun folder ->
            let path = Path.Combine(folder, "p.png")

            let map: ValueMap =
                {
                    Width = 3
                    Height = 2
                    Values = [| 0.0f; 0.5f; 1.0f; -0.25f; 1.5f; 0.1f |]
                }

            Outcome.ok (ProbabilityMaps.write path map)
            use expected = new MemoryStream()

            Png.write16 expected 3 2 (fun visit ->
                List.iter visit [ [| 0us; 32768us; 65535us |]; [| 0us; 65535us; 6554us |] ])

            Expect.equal (File.ReadAllBytes path) (expected.ToArray()) "the samples"

            ProbabilityMaps.write (Path.Combine(path, "below.png")) map
            |> Outcome.refusedWith 5 [ "below.png" ])
    }
