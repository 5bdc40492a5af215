namespace Mcdrl

/// How the pixels of a DICOM file are stored, and by which program they are read.
[<RequireQualifiedAccess>]
module TransferSyntax =
    let private readBy program uids = [ for uid in uids -> uid, Ok program ]

    let private refused what fix uids =
        [ for uid in uids -> uid, Error(what, fix) ]

    let private jpeg2000 =
        refused
            "JPEG 2000"
            "Convert it to JPEG Lossless or to no compression first (for instance with gdcmconv --raw)"

    let private video kind =
        refused
            $"{kind} video"
            "Extract the video (for instance with dcm2img or gdcmraw), and give that to mcdrl segment"

    /// By UID: the program that reads it, or what it is and what to do.
    let private known =
        [
            // Not compressed, deflated, JPEG 1 (lossy, lossless), runs.
            yield!
                readBy
                    "dcmj2pnm"
                    [
                        "1.2.840.10008.1.2"
                        "1.2.840.10008.1.2.1"
                        "1.2.840.10008.1.2.1.99"
                        "1.2.840.10008.1.2.2"
                        "1.2.840.10008.1.2.4.50"
                        "1.2.840.10008.1.2.4.51"
                        "1.2.840.10008.1.2.4.57"
                        "1.2.840.10008.1.2.4.70"
                        "1.2.840.10008.1.2.5"
                    ]
            // JPEG-LS.
            yield! readBy "dcml2pnm" [ "1.2.840.10008.1.2.4.80"; "1.2.840.10008.1.2.4.81" ]
            yield!
                jpeg2000
                    [
                        for last in [ 90; 91; 92; 93; 201; 202; 203 ] -> $"1.2.840.10008.1.2.4.{last}"
                    ]
            yield!
                video
                    "MPEG-2"
                    [
                        for last in [ "100"; "100.1"; "101"; "101.1" ] -> $"1.2.840.10008.1.2.4.{last}"
                    ]
            yield!
                video
                    "MPEG-4 (H.264)"
                    [
                        for last in
                            [
                                "102"
                                "102.1"
                                "103"
                                "103.1"
                                "104"
                                "104.1"
                                "105"
                                "105.1"
                                "106"
                                "106.1"
                            ] -> $"1.2.840.10008.1.2.4.{last}"
                    ]
            yield! video "HEVC (H.265)" [ "1.2.840.10008.1.2.4.107"; "1.2.840.10008.1.2.4.108" ]
        ]
        |> readOnlyDict

    /// The program that reads pixels stored so; what isn't read is a `Data` error that says what it is. `where` names the file.
    let reader (where: string) (uid: string) : Result<string, McdrlError> =
        match known.TryGetValue uid with
        | true, Ok program -> Ok program
        | true, Error(what, fix) ->
            Error(
                McdrlError.data $"its pixels are {what} (transfer syntax {uid}), which is not read" where fix
            )
        | false, _ ->
            Error(
                McdrlError.data
                    $"its transfer syntax {uid} is not known"
                    where
                    "Convert it to Explicit VR Little Endian without compression first"
            )
