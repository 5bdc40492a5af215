module Mcdrl.Tests.DicomPicturesTests

open System.IO
open Expecto
open Mcdrl

let private limits = ImageLimits.standard

/// The largest difference of a sample from the picture that the file was made of.
let private difference folder file frame (name: string) =
    let path = Path.Combine(folder, file)
    let header = Outcome.ok (DicomHeader.read limits path)
    let picture = Outcome.ok (DicomPictures.read header path frame)
    Expect.equal (picture.Width, picture.Height) (CraftedDicom.width, CraftedDicom.height) "size"
    let truth = File.ReadAllBytes(Path.Combine(folder, name + ".rgb"))

    Array.map2 (fun (a: byte) (b: byte) -> abs (int a - int b)) picture.Rgb truth
    |> Array.max

let tests =
    testList
        "DicomPictures"
        [
            test "every kind of pixels gives the picture that it was made of" {
                Folder.temporary (fun folder ->
                    CraftedDicom.write folder

                    // The largest difference that the way of storing allows.
                    for file, most in
                        [
                            "rgb.dcm", 0
                            "implicit.dcm", 0
                            "grey.dcm", 0
                            "inverse.dcm", 1
                            "window.dcm", 0
                            "rle.dcm", 0
                            "palette.dcm", 0
                            "lossless.dcm", 0
                            "ls.dcm", 0
                            "ybr.dcm", 4
                            "baseline.dcm", 8
                        ] do
                        Expect.isLessThanOrEqual (difference folder file 1 file) most file

                    for frame in 1..3 do
                        Expect.equal
                            (difference folder "1.2.840.77" frame $"1.2.840.77#{frame}")
                            0
                            $"{frame}")
            }

            test "what is not read says what it is, and no error says whose it is" {
                Folder.temporary (fun folder ->
                    CraftedDicom.write folder

                    let refused file code parts =
                        let path = Path.Combine(folder, file)

                        let found, text =
                            DicomHeader.read limits path
                            |> Result.bind (fun header -> DicomPictures.read header path 1)
                            |> Outcome.refused

                        Expect.equal found code text

                        for part in file :: parts do
                            Expect.stringContains text part "told"

                        Expect.isFalse (text.Contains CraftedDicom.secret) text

                    refused "j2k.dcm" 4 [ "JPEG 2000"; "1.2.840.10008.1.2.4.90" ]
                    refused "mpeg4.dcm" 4 [ "MPEG-4"; "1.2.840.10008.1.2.4.102"; "Extract the video" ]
                    refused "hevc.dcm" 4 [ "HEVC" ]
                    refused "unknown.dcm" 4 [ "1.2.3.4.5" ]
                    refused "nowindow.dcm" 4 [ "12 bits"; "window" ]
                    refused "huge.dcm" 5 [ "60000 x 60000"; "limit" ]
                    refused "short.dcm" 4 [ "truncated" ]
                    refused "report.dcm" 4 [ "no picture" ]
                    refused "forged.dcm" 4 [ "no identifier (0020,000e)" ])
            }

            test "DICOM is told by its content, whatever its name" {
                Folder.temporary (fun folder ->
                    let isDicom (bytes: byte[]) =
                        let path = Path.Combine(folder, "file")
                        File.WriteAllBytes(path, bytes)
                        DicomHeader.isDicom path

                    Expect.isTrue (isDicom (Array.append (Array.zeroCreate 128) "DICM..."B)) "magic"
                    Expect.isFalse (isDicom (Array.append (Array.zeroCreate 128) "DICO"B)) "another"
                    Expect.isFalse (isDicom "DICM"B) "too short"
                    Expect.isFalse (DicomHeader.isDicom folder) "a folder"
                    Expect.isFalse (DicomHeader.isDicom (Path.Combine(folder, "none"))) "nothing")
            }
        ]
