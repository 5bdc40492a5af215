namespace Mcdrl

open System
open System.Globalization
open System.IO
open System.Numerics
open System.Text
open FsToolkit.ErrorHandling

/// What a DICOM segmentation says of where it comes from.
[<NoComparison; NoEquality>]
type SegmentationSource =
    {
        /// The file that was segmented.
        Header: DicomHeader
        /// Names of the model's classes, label 1 first.
        Classes: string list
        /// What the algorithm is called.
        Algorithm: string
        /// The label map of each frame that has one, by its number from 1; each has the frame's size.
        Frames: (int * (unit -> Result<LabelMap, McdrlError>)) list
    }

/// DICOM segmentations (Segmentation Storage, 1.2.840.10008.5.1.4.1.1.66.4): binary, a segment for each class, frames that refer to those of the
/// file that was segmented. All that they say of a patient is empty: whoever stores them beside the source fills it in from there.
[<RequireQualifiedAccess>]
module DicomSegmentation =
    let private storage = "1.2.840.10008.5.1.4.1.1.66.4"

    /// A new identifier: a random UUID as one number below 2.25.
    let private identifier () =
        let number = BigInteger(ReadOnlySpan(Guid.NewGuid().ToByteArray()), true, true)
        $"2.25.{number}"

    /// Text of up to `most` characters that means nothing to the compiler of dumps, nor to DICOM.
    let private plain most (text: string) =
        let kept =
            Printable.line text
            |> String.map (fun letter -> if "[]\\#\"=".Contains letter then '_' else letter)

        if kept.Length <= most then
            kept
        else
            kept.Substring(0, most)

    type private Dump() =
        let lines = StringBuilder()
        member _.Text = string lines

        member _.Put (tag: string) (kind: string) (value: string) =
            lines.Append('(').Append(tag).Append(") ").Append(kind).Append(' ').AppendLine value
            |> ignore

        member dump.Text' tag kind value = dump.Put tag kind $"[{value}]"

        /// A sequence with an item for each function.
        member dump.Sequence tag (items: (unit -> unit) list) =
            dump.Put tag "SQ" "(Sequence with undefined length)"

            for item in items do
                dump.Put "fffe,e000" "na" "(Item with undefined length)"
                item ()
                dump.Put "fffe,e00d" "na" "(ItemDelimitationItem)"

            dump.Put "fffe,e0dd" "na" "(SequenceDelimitationItem)"

    let private code (dump: Dump) tag value scheme meaning =
        dump.Sequence
            tag
            [
                fun () ->
                    dump.Text' "0008,0100" "SH" value
                    dump.Text' "0008,0102" "SH" scheme
                    dump.Text' "0008,0104" "LO" meaning
            ]

    let private reference (dump: Dump) (header: DicomHeader) =
        dump.Text' "0008,1150" "UI" header.SopClass
        dump.Text' "0008,1155" "UI" header.SopInstance

    let private segment (dump: Dump) (source: SegmentationSource) index (name: string) () =
        code dump "0062,0003" "49755003" "SCT" "Morphologically Abnormal Structure"
        dump.Put "0062,0004" "US" (string (index + 1))
        dump.Text' "0062,0005" "LO" (plain 64 name)
        dump.Text' "0062,0008" "CS" "AUTOMATIC"
        dump.Text' "0062,0009" "LO" (plain 64 source.Algorithm)
        code dump "0062,000f" "52988006" "SCT" "Lesion"

    /// A frame of one segment: which frame of the source, and which segment it is.
    let private perFrame (dump: Dump) (source: SegmentationSource) (segment: int, frame: int, place: int) () =
        dump.Sequence
            "0008,9124"
            [
                fun () ->
                    dump.Sequence
                        "0008,2112"
                        [
                            fun () ->
                                reference dump source.Header

                                if source.Header.Frames > 1 then
                                    dump.Text' "0008,1160" "IS" (string frame)

                                code
                                    dump
                                    "0040,a170"
                                    "121322"
                                    "DCM"
                                    "Source image for image processing operation"
                        ]

                    code dump "0008,9215" "113076" "DCM" "Segmentation"
            ]

        dump.Sequence
            "0020,9111"
            [
                fun () ->
                    dump.Text' "0020,9056" "SH" "1"
                    dump.Put "0020,9057" "UL" (string place)
                    dump.Put "0020,9157" "UL" $"{segment}\\{place}"
            ]

        dump.Sequence "0062,000a" [ fun () -> dump.Put "0062,000b" "US" (string segment) ]

    let private dimensions (dump: Dump) =
        let organisation = identifier ()
        dump.Sequence "0020,9221" [ fun () -> dump.Text' "0020,9164" "UI" organisation ]

        let index pointer group () =
            dump.Text' "0020,9164" "UI" organisation
            dump.Put "0020,9165" "AT" $"({pointer})"
            dump.Put "0020,9167" "AT" $"({group})"

        // By segment, then by the place among the frames.
        dump.Sequence "0020,9222" [ index "0062,000b" "0062,000a"; index "0020,9057" "0020,9111" ]

    let private ofSource (source: SegmentationSource) (frames: (int * int * int) list) (now: DateTime) =
        let dump, header = Dump(), source.Header

        let date = now.ToString("yyyyMMdd", CultureInfo.InvariantCulture)
        let time = now.ToString("HHmmss", CultureInfo.InvariantCulture)
        let text = dump.Text'
        text "0002,0010" "UI" "1.2.840.10008.1.2.1"
        text "0008,0005" "CS" "ISO_IR 192"
        text "0008,0008" "CS" @"DERIVED\PRIMARY"
        text "0008,0016" "UI" storage
        text "0008,0018" "UI" (identifier ())

        for tag, kind in [ "0008,0020", "DA"; "0008,0030", "TM" ] do
            text tag kind ""

        text "0008,0023" "DA" date
        text "0008,0033" "TM" time
        text "0008,0050" "SH" ""
        text "0008,0060" "CS" "SEG"
        text "0008,0070" "LO" "Mcdrl"
        text "0008,0090" "PN" ""
        text "0008,1090" "LO" "Mcdrl"

        dump.Sequence
            "0008,1115"
            [
                fun () ->
                    dump.Sequence "0008,114a" [ fun () -> reference dump header ]
                    text "0020,000e" "UI" header.Series
            ]

        for tag, kind in [ "0010,0010", "PN"; "0010,0020", "LO"; "0010,0030", "DA"; "0010,0040", "CS" ] do
            text tag kind ""

        text "0018,1000" "LO" "0"
        text "0018,1020" "LO" (plain 64 Product.version)
        text "0020,000d" "UI" header.Study
        text "0020,000e" "UI" (identifier ())
        text "0020,0010" "SH" ""
        text "0020,0011" "IS" "1"
        text "0020,0013" "IS" "1"
        text "0020,0020" "CS" ""
        dimensions dump
        dump.Put "0028,0002" "US" "1"
        text "0028,0004" "CS" "MONOCHROME2"
        text "0028,0008" "IS" (string frames.Length)
        dump.Put "0028,0010" "US" (string header.Height)
        dump.Put "0028,0011" "US" (string header.Width)
        dump.Put "0028,0100" "US" "1"
        dump.Put "0028,0101" "US" "1"
        dump.Put "0028,0102" "US" "0"
        dump.Put "0028,0103" "US" "0"
        text "0028,2110" "CS" (if header.Lossy.IsSome then "01" else "00")

        for tag, kind, value in Option.defaultValue [] header.Lossy do
            text tag kind value

        text "0062,0001" "CS" "BINARY"
        dump.Sequence "0062,0002" (source.Classes |> List.mapi (segment dump source))
        text "0070,0080" "CS" "SEGMENTATION"
        text "0070,0081" "LO" "Lesions by Mcdrl, no medical device"
        text "0070,0084" "PN" ""
        dump.Sequence "5200,9229" [ ignore ]
        dump.Sequence "5200,9230" (frames |> List.map (perFrame dump source))
        dump.Put "7fe0,0010" "OB" "=frames.raw"
        dump.Text

    /// One bit a pixel from the lowest bit on, frame after frame without a gap.
    type private Bits(stream: Stream) =
        let mutable held, count = 0, 0

        member _.Add isMarked =
            if isMarked then
                held <- held ||| (1 <<< count)

            count <- count + 1

            if count = 8 then
                stream.WriteByte(byte held)
                held <- 0
                count <- 0

        /// Fills up to whole words.
        member bits.Finish() =
            while count > 0 || stream.Length % 2L = 1L do
                bits.Add false

    let private checkSize where (header: DicomHeader) (map: LabelMap) =
        if (map.Width, map.Height) = (header.Width, header.Height) then
            Ok map
        else
            Error(McdrlError.data "the mask has another size than its frame" where "Segment again")

    /// The segments and frames with something marked, by segment, then by frame; if nothing is marked anywhere the first segment of the
    /// first frame, since a segmentation has one frame at least.
    let private marked path (source: SegmentationSource) =
        result {
            let! found =
                source.Frames
                |> List.indexed
                |> List.traverseResultM (fun (place, (frame, read)) ->
                    read ()
                    |> Result.bind (checkSize path source.Header)
                    |> Result.map (fun map ->
                        let counts = LabelMap.histogram map

                        [
                            for segment in 1 .. source.Classes.Length do
                                if counts[segment] > 0L then
                                    segment, frame, place + 1
                        ]))

            match List.concat found, source.Frames with
            | [], (frame, _) :: _ -> return [ 1, frame, 1 ]
            | found, _ -> return List.sort found
        }

    let private writePixels (source: SegmentationSource) frames (path: string) : Result<unit, McdrlError> =
        use stream =
            new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 65536)

        let bits = Bits stream
        let read = Map.ofList source.Frames

        let add (segment: int, frame: int, _: int) =
            (Map.find frame read) ()
            |> Result.map (fun (map: LabelMap) ->
                for label in map.Labels do
                    bits.Add(int label = segment))

        frames |> List.traverseResultM add |> Result.map (fun _ -> bits.Finish())

    /// Writes a segmentation. The source has a frame at least.
    let write (path: string) (source: SegmentationSource) : Result<unit, McdrlError> =
        Guard.run path (fun () ->
            let folder = Directory.CreateTempSubdirectory "mcdrl-"

            try
                result {
                    let! frames = marked path source
                    let at name = Path.Combine(folder.FullName, name)
                    do! writePixels source frames (at "frames.raw")
                    do! Files.writeText (at "seg.dump") (ofSource source frames DateTime.UtcNow)

                    match!
                        Dcmtk.run
                            folder.FullName
                            "dump2dcm"
                            [ "-q"; "+te"; "seg.dump"; "seg.dcm" ]
                            65536L
                            path
                    with
                    | 0, _ ->
                        return!
                            Files.reading (at "seg.dcm") (fun made ->
                                Files.writeAtomically path (fun stream -> made.CopyTo stream))
                    | _ ->
                        return!
                            Error(
                                McdrlError.resource
                                    "dump2dcm could not write the segmentation"
                                    path
                                    "Check that there is space for temporary files"
                            )
                }
            finally
                folder.Delete true)
