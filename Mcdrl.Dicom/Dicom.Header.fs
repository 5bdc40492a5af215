namespace Mcdrl

open System
open System.IO
open System.Text.RegularExpressions
open FsToolkit.ErrorHandling

/// What is read of a DICOM file's header: identifiers and the shape of its pixels, nothing of a patient.
type DicomHeader =
    {
        /// What kind of object it is.
        SopClass: string
        /// Which object it is.
        SopInstance: string
        /// The study that it belongs to.
        Study: string
        /// The series that it belongs to.
        Series: string
        /// How its pixels are stored.
        TransferSyntax: string
        /// Pixels a row.
        Width: int
        /// Rows.
        Height: int
        /// How many pictures it holds, from 1.
        Frames: int
        /// Grey, where a pixel has one sample that is no palette's index.
        IsGrey: bool
        /// Significant bits of a sample.
        Bits: int
        /// Whether it says which grey values are to be seen (VOI window or table).
        HasWindow: bool
        /// Where its pixels lost something on their way: the elements that say how much and by what, with their types; else `None`.
        Lossy: (string * string * string) list option
    }

/// DICOM files and their headers.
[<RequireQualifiedAccess>]
module DicomHeader =
    /// Whether a file begins as DICOM files do: `DICM` after 128 bytes. A file that can't be opened doesn't.
    let isDicom (path: string) : bool =
        let found =
            Files.reading path (fun stream ->
                let first = Array.zeroCreate<byte> 132
                let count = stream.ReadAtLeast(first, first.Length, false)
                Ok(count = first.Length && first.AsSpan(128).SequenceEqual("DICM"B)))

        found = Ok true

    /// The elements that are asked for. No other is printed, so that what a file says of a patient isn't even seen.
    let private wanted =
        [
            "0002,0010"
            "0008,0016"
            "0008,0018"
            "0020,000d"
            "0020,000e"
            "0028,0002"
            "0028,0004"
            "0028,0008"
            "0028,0010"
            "0028,0011"
            "0028,0100"
            "0028,0101"
            "0028,1050"
            "0028,2110"
            "0028,2112"
            "0028,2114"
            "0028,3010"
        ]

    /// An element that lies in no sequence: tag, type and value.
    let private line =
        Regex(@"^\(([0-9a-f]{4},[0-9a-f]{4})\) ([A-Z]{2}) (.*?)\s+#[^#]*$", RegexOptions.CultureInvariant)

    let private isIdentifier =
        Regex(@"^[0-9]+(\.[0-9]+)+$", RegexOptions.CultureInvariant)

    let private value (text: string) =
        if text.StartsWith '[' && text.EndsWith ']' then
            text.Substring(1, text.Length - 2).Trim()
        else
            text

    /// Bytes of what `dcmdump` prints of these elements: they may lie in sequences too.
    let private most = 16L * 1024L * 1024L

    let private damaged (where: string) what =
        McdrlError.data what where "Replace the file with an intact copy"

    let private elements (path: string) : Result<Map<string, string>, McdrlError> =
        result {
            // Pixels are not read. A full path can't be taken for an option.
            let arguments =
                [ "-q"; "-M"; "-Un"; "+Qn"; "+p"; "+sb"; "7fe0,0010" ]
                @ List.collect (fun tag -> [ "+P"; tag ]) wanted
                @ [ Path.GetFullPath path ]

            let! code, output = Dcmtk.run (Path.GetTempPath()) "dcmdump" arguments most path

            do!
                if code = 0 then
                    Ok()
                else
                    Error(damaged path "the DICOM file's header can't be read")

            return
                (Dcmtk.text output).Split '\n'
                |> Array.choose (fun text ->
                    let found = line.Match text

                    if found.Success then
                        Some(found.Groups[1].Value, value found.Groups[3].Value)
                    else
                        None)
                |> Map.ofArray
        }

    /// Pixels as they are, in either order of bytes.
    let private uncompressed =
        set [ "1.2.840.10008.1.2"; "1.2.840.10008.1.2.1"; "1.2.840.10008.1.2.2" ]

    /// JPEG with loss, and JPEG-LS nearly without.
    let private lossy =
        set [ "1.2.840.10008.1.2.4.50"; "1.2.840.10008.1.2.4.51"; "1.2.840.10008.1.2.4.81" ]

    /// Numbers and names of methods such as `ISO_10918_1`, one for each time.
    let private isMeasure =
        Regex(
            @"^(?:[0-9.]{1,16}|ISO_[0-9_]{1,12})(?:\\(?:[0-9.]{1,16}|ISO_[0-9_]{1,12}))*$",
            RegexOptions.CultureInvariant
        )

    /// Programs would fill up with black what a file lacks.
    let private checkLength (path: string) syntax photometric (samples: int64) (bytes: int64) =
        let stored =
            match photometric with
            | "YBR_FULL_422"
            | "YBR_PARTIAL_422" -> samples * bytes * 2L / 3L
            | "YBR_PARTIAL_420" -> samples * bytes / 2L
            | _ -> samples * bytes

        Files.reading path (fun stream ->
            if uncompressed.Contains syntax && stream.Length < stored then
                Error(damaged path "the DICOM file is truncated: its pixels end too early")
            else
                Ok())

    /// Reads the header of a file. One without pixels, or with identifiers that are none, is a `Data` error.
    let read (limits: ImageLimits) (path: string) : Result<DicomHeader, McdrlError> =
        result {
            let! found = elements path

            let identifier tag =
                match found.TryFind tag with
                | Some text when text.Length <= 64 && isIdentifier.IsMatch text -> Ok text
                | _ -> Error(damaged path $"the DICOM file has no identifier ({tag})")

            let whole tag fallback =
                match found.TryFind tag |> Option.map Int32.TryParse with
                | Some(true, number) -> number
                | _ -> fallback

            let! sopClass = identifier "0008,0016"
            let! sopInstance = identifier "0008,0018"
            let! study = identifier "0020,000d"
            let! series = identifier "0020,000e"
            let! syntax = identifier "0002,0010"
            let width, height = whole "0028,0011" 0, whole "0028,0010" 0

            do!
                if width = 0 || height = 0 then
                    Error(McdrlError.data "the DICOM file holds no picture" path "Give an image")
                else
                    ImageLimits.check limits path (int64 width) (int64 height)

            let frames = max 1 (whole "0028,0008" 1)
            let photometric = found.TryFind "0028,0004" |> Option.defaultValue ""

            do!
                checkLength
                    path
                    syntax
                    photometric
                    (int64 width * int64 height * int64 frames * int64 (whole "0028,0002" 1))
                    (int64 (whole "0028,0100" 8) / 8L)

            let said tag kind =
                match found.TryFind tag with
                | Some text when isMeasure.IsMatch text -> [ tag, kind, text ]
                | _ -> []

            return
                {
                    SopClass = sopClass
                    SopInstance = sopInstance
                    Study = study
                    Series = series
                    TransferSyntax = syntax
                    Width = width
                    Height = height
                    Frames = frames
                    IsGrey = photometric.StartsWith("MONOCHROME", StringComparison.Ordinal)
                    Bits = whole "0028,0101" 8
                    Lossy =
                        if found.TryFind "0028,2110" = Some "01" || lossy.Contains syntax then
                            Some(said "0028,2112" "DS" @ said "0028,2114" "CS")
                        else
                            None
                    HasWindow = found.ContainsKey "0028,1050" || found.ContainsKey "0028,3010"
                }
        }
