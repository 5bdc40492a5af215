module Mcdrl.Tests.DicomFramesTests

open System.IO
open Expecto
open Mcdrl

let private find folder (names: string list) =
    let paths = [ for name in names -> Path.Combine(folder, name) ]

    SegmentTargets.planWith DicomHeader.isDicom false paths (Path.Combine(folder, "out"))
    |> Result.bind (DicomFrames.find ImageLimits.standard)

let tests =
    testList
        "DicomFrames"
        [
            test "a file of several frames is an image for each, in a folder found by its content" {
                Folder.temporary (fun folder ->
                    CraftedDicom.write folder
                    let clips = Path.Combine(folder, "clips")
                    Directory.CreateDirectory clips |> ignore
                    File.Copy(Path.Combine(folder, "1.2.840.77"), Path.Combine(clips, "1.2.840.77"))
                    File.Copy(Path.Combine(folder, "rgb.dcm"), Path.Combine(clips, "1.2.840.78"))
                    File.WriteAllText(Path.Combine(clips, "notes.txt"), "")
                    let targets, frames = Outcome.ok (find folder [ "clips" ])

                    Expect.equal
                        (targets |> List.map (fun target -> Path.GetFileName target.Mask))
                        [
                            "1.2.840.77#1.mask.png"
                            "1.2.840.77#2.mask.png"
                            "1.2.840.77#3.mask.png"
                            "1.2.840.78.mask.png"
                        ]
                        "masks"

                    for target, name in
                        List.zip targets [ "1.2.840.77#1"; "1.2.840.77#2"; "1.2.840.77#3"; "rgb.dcm" ] do
                        let picture, pictures =
                            Outcome.ok (DicomFrames.read frames ImageLimits.standard target.Input)

                        Expect.equal pictures 1 "one"

                        Expect.equal
                            picture.Rgb
                            (File.ReadAllBytes(Path.Combine(folder, name + ".rgb")))
                            target.Input)
            }

            test "files that can't be read are told all at once, before any work" {
                Folder.temporary (fun folder ->
                    CraftedDicom.write folder

                    find folder [ "rgb.dcm"; "mpeg4.dcm"; "report.dcm" ]
                    |> Outcome.refusedWith 4 [ "mpeg4.dcm"; "report.dcm" ]

                    find folder [ "many.dcm" ]
                    |> Outcome.refusedWith 5 [ "many.dcm"; "200000 frames"; "108000" ])
            }

            test "images that are no DICOM are read as ever" {
                Folder.temporary (fun folder ->
                    let path = Path.Combine(folder, "a.png")

                    File.WriteAllBytes(
                        path,
                        Masks.png
                            {
                                Width = 2
                                Height = 1
                                Labels = [| 0uy; 255uy |]
                            }
                    )

                    let targets, frames = Outcome.ok (find folder [ "a.png" ])
                    Expect.isTrue frames.IsEmpty "none"

                    let picture, _ =
                        Outcome.ok (DicomFrames.read frames ImageLimits.standard targets.Head.Input)

                    Expect.equal picture.Rgb [| 0uy; 0uy; 0uy; 255uy; 255uy; 255uy |] "the picture")
            }
        ]
