namespace Mcdrl

open System
open System.IO
open System.Text
open FsToolkit.ErrorHandling

/// Frames of DICOM files as pictures: grey, colour and palette, stored plainly or as JPEG, JPEG-LS or runs.
[<RequireQualifiedAccess>]
module DicomPictures =
    let private damaged (where: string) =
        Error(
            McdrlError.data
                "the DICOM file's pixels can't be read"
                where
                "Replace the file with an intact copy"
        )

    /// Longer than the header of a portable pixel map.
    let private longestHeader = 64

    /// A binary portable map (P5 grey, P6 colour) of 8 bits a sample as the programs write it: `P6`, width and height, 255.
    let private ofPortable where (header: DicomHeader) (bytes: byte[]) : Result<Picture, McdrlError> =
        let head (kind: string) =
            Encoding.ASCII.GetBytes $"{kind}\n{header.Width} {header.Height}\n255\n"

        let samples kind count =
            let head = head kind

            if bytes.Length = head.Length + count && bytes.AsSpan().StartsWith head then
                Some(bytes[head.Length ..])
            else
                None

        let pixels = header.Width * header.Height

        let rgb =
            match samples "P6" (3 * pixels), samples "P5" pixels with
            | Some rgb, _ -> Some rgb
            | None, Some grey -> Some(Array.init (3 * pixels) (fun i -> grey[i / 3]))
            | None, None -> None

        match rgb with
        | Some rgb ->
            Ok
                {
                    Width = header.Width
                    Height = header.Height
                    Rgb = rgb
                    Orientation = Orientation.TopLeft
                }
        | None -> damaged where

    /// Which grey values are seen: the file's first window or table; without one all of 8 bits.
    let private window where (header: DicomHeader) =
        if not header.IsGrey then
            Ok []
        elif header.HasWindow then
            Ok [ "+Wi"; "1" ]
        elif header.Bits <= 8 then
            Ok [ "-W" ]
        else
            Error(
                McdrlError.data
                    $"its grey pixels have {header.Bits} bits, and it doesn't say which of the values are to be seen (no VOI window)"
                    where
                    "Give a file with a window, or an 8-bit picture"
            )

    /// Reads frame `frame`, from 1, of a file whose header was read. Modality and window of grey pictures are applied.
    let read (header: DicomHeader) (path: string) (frame: int) : Result<Picture, McdrlError> =
        result {
            let! program = TransferSyntax.reader path header.TransferSyntax
            let! window = window path header

            let most = 3L * int64 header.Width * int64 header.Height + int64 longestHeader

            let arguments =
                [ "-q"; "+op"; "-O"; "+F"; string frame ] @ window @ [ Path.GetFullPath path ]

            match! Dcmtk.run (Path.GetTempPath()) program arguments most path with
            | 0, bytes -> return! ofPortable path header bytes
            | _ -> return! damaged path
        }
