module Mcdrl.Tests.DicomSegmentationTests

open System
open System.IO
open Expecto
open Mcdrl

/// Reads a segmentation by pydicom: what it says as lines, and the label maps of its source's frames into a file.
let private reader =
    """
import sys, numpy as np, pydicom
ds = pydicom.dcmread(sys.argv[1])
source = pydicom.dcmread(sys.argv[2], stop_before_pixels=True)
frames = int(sys.argv[4])
assert ds.SOPClassUID == '1.2.840.10008.5.1.4.1.1.66.4' and ds.file_meta.MediaStorageSOPClassUID == ds.SOPClassUID
assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID and ds.file_meta.TransferSyntaxUID == '1.2.840.10008.1.2.1'
assert ds.StudyInstanceUID == source.StudyInstanceUID and ds.SeriesInstanceUID != source.SeriesInstanceUID
series = ds.ReferencedSeriesSequence[0]
assert series.SeriesInstanceUID == source.SeriesInstanceUID
assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
for key in ('PatientName', 'PatientID', 'PatientBirthDate', 'PatientSex', 'StudyID', 'AccessionNumber',
            'ReferringPhysicianName', 'StudyDate', 'StudyTime', 'ContentCreatorName'):
    assert key in ds and not str(ds[key].value or ''), key
assert (ds.Modality, ds.SegmentationType, ds.BitsAllocated) == ('SEG', 'BINARY', 1)
for segment in ds.SegmentSequence:
    print(segment.SegmentNumber, segment.SegmentLabel, segment.SegmentAlgorithmType, segment.SegmentAlgorithmName, sep='|')
pixels = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
assert len(pixels) == ds.NumberOfFrames == len(ds.PerFrameFunctionalGroupsSequence)
maps = np.zeros((frames, ds.Rows, ds.Columns), np.uint8)
for groups, plane in zip(ds.PerFrameFunctionalGroupsSequence, pixels):
    image = groups.DerivationImageSequence[0].SourceImageSequence[0]
    assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID and image.ReferencedSOPClassUID == source.SOPClassUID
    frame = int(image.get('ReferencedFrameNumber', 1))
    number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    assert groups.FrameContentSequence[0].DimensionIndexValues[0] == number
    assert not maps[frame - 1][plane == 1].any()
    maps[frame - 1][plane == 1] = number
maps.tofile(sys.argv[3])
"""

/// A map of noise, of two classes, or without one.
let private map seed classes : LabelMap =
    let generator = Random(seed: int)

    {
        Width = CraftedDicom.width
        Height = CraftedDicom.height
        Labels =
            Array.init (CraftedDicom.width * CraftedDicom.height) (fun _ ->
                byte (generator.Next(classes + 1)))
    }

let private written folder file (classes: string list) (maps: (int * LabelMap) list) =
    let path, out = Path.Combine(folder, file), Path.Combine(folder, "out.seg.dcm")
    let header = Outcome.ok (DicomHeader.read ImageLimits.standard path)

    DicomSegmentation.write
        out
        {
            Header = header
            Classes = classes
            Algorithm = "Mcdrl, polyp [1]"
            Frames = [ for frame, map in maps -> frame, (fun () -> Ok map) ]
        }
    |> Outcome.ok

    let raw = Path.Combine(folder, "maps.raw")

    let lines =
        Programs.python [ "pydicom"; "numpy" ] reader [ out; path; raw; string header.Frames ]

    Expect.isFalse
        ((Text.Encoding.Latin1.GetString(File.ReadAllBytes out)).Contains CraftedDicom.secret)
        "nothing of the patient"

    lines.Split('\n', StringSplitOptions.RemoveEmptyEntries) |> List.ofArray, File.ReadAllBytes raw

let private empty: LabelMap = map 0 0

let tests =
    testList
        "DicomSegmentation"
        [
            test "pydicom reads the same pixels, frame by frame and class by class" {
                Folder.temporary (fun folder ->
                    CraftedDicom.write folder
                    let first, third = map 1 2, map 2 2

                    let lines, found =
                        written folder "1.2.840.77" [ "polyp"; "Geschwür" ] [ 1, first; 2, empty; 3, third ]

                    Expect.equal
                        lines
                        [
                            "1|polyp|AUTOMATIC|Mcdrl, polyp _1_"
                            "2|Geschwür|AUTOMATIC|Mcdrl, polyp _1_"
                        ]
                        "segments"

                    Expect.equal
                        found
                        (Array.concat [ first.Labels; empty.Labels; third.Labels ])
                        "the same pixels")
            }

            test "of a still image, and where nothing is marked" {
                Folder.temporary (fun folder ->
                    CraftedDicom.write folder
                    let one = map 3 1
                    let _, found = written folder "baseline.dcm" [ "polyp" ] [ 1, one ]
                    Expect.equal found one.Labels "the same pixels"
                    let _, found = written folder "rgb.dcm" [ "polyp" ] [ 1, empty ]
                    Expect.equal found empty.Labels "one frame without a pixel")
            }

            test "a mask of another size is refused, and nothing is written" {
                Folder.temporary (fun folder ->
                    CraftedDicom.write folder
                    let path = Path.Combine(folder, "rgb.dcm")
                    let header = Outcome.ok (DicomHeader.read ImageLimits.standard path)

                    DicomSegmentation.write
                        (Path.Combine(folder, "out.seg.dcm"))
                        {
                            Header = { header with Width = header.Width + 1 }
                            Classes = [ "polyp" ]
                            Algorithm = "Mcdrl"
                            Frames = [ 1, (fun () -> Ok empty) ]
                        }
                    |> Outcome.refusedWith 4 [ "another size" ]

                    Expect.isFalse (File.Exists(Path.Combine(folder, "out.seg.dcm"))) "nothing")
            }
        ]
