namespace Mcdrl

open System
open System.Buffers.Binary
open System.Collections.Generic

/// What a TIFF file says of itself, looked at before a library believes it: a few bytes can claim gigabytes.
[<RequireQualifiedAccess>]
module internal TiffDirectory =
    let private damaged where what =
        Error(
            McdrlError.data
                $"the TIFF file is truncated or damaged: {what}"
                where
                "Replace the file with an intact copy"
        )

    let private refused where what =
        Error(McdrlError.data $"the TIFF file {what}" where "Save the picture as PNG, with 8 bits a sample")

    /// Whether the bytes begin as a TIFF file does, in either byte order.
    let isTiff (bytes: byte[]) =
        bytes.Length >= 8
        && (bytes.AsSpan(0, 4).SequenceEqual(ReadOnlySpan "II*\000"B)
            || bytes.AsSpan(0, 4).SequenceEqual(ReadOnlySpan "MM\000*"B))

    /// A number of two or four bytes; -1 outside the file.
    let private number (bytes: byte[]) size (at: int64) : int64 =
        if at < 0L || at + int64 size > bytes.LongLength then
            -1L
        else
            let part = ReadOnlySpan(bytes, int at, size)

            match bytes[0], size with
            | 'I'B, 2 -> int64 (BinaryPrimitives.ReadUInt16LittleEndian part)
            | 'I'B, _ -> int64 (BinaryPrimitives.ReadUInt32LittleEndian part)
            | _, 2 -> int64 (BinaryPrimitives.ReadUInt16BigEndian part)
            | _ -> int64 (BinaryPrimitives.ReadUInt32BigEndian part)

    [<Struct>]
    type private Entry =
        {
            Tag: int64
            Kind: int64
            Count: int64
            /// Where its values begin.
            At: int64
        }

    let private sizeOf kind =
        match kind with
        | 1L
        | 2L
        | 6L
        | 7L -> 1L
        | 3L
        | 8L -> 2L
        | 4L
        | 9L
        | 11L
        | 13L -> 4L
        | _ -> 8L

    let private bytesOf (entry: Entry) = entry.Count * sizeOf entry.Kind

    /// The entries of the directory at a place, and where the next directory is, 0 for none.
    let private directory (bytes: byte[]) (at: int64) : (Entry list * int64) option =
        let count = number bytes 2 at
        let next = number bytes 4 (at + 2L + 12L * count)

        if count < 1L || next < 0L then
            None
        else
            let entry index =
                let from = at + 2L + 12L * index

                let entry =
                    {
                        Tag = number bytes 2 from
                        Kind = number bytes 2 (from + 2L)
                        Count = number bytes 4 (from + 4L)
                        At = from + 8L
                    }

                if bytesOf entry <= 4L then
                    entry
                else
                    { entry with
                        At = number bytes 4 (from + 8L)
                    }

            Some([ for index in 0L .. count - 1L -> entry index ], next)

    /// A tag's whole numbers, none where it is absent.
    let private numbers bytes (entries: Entry list) tag : int64[] =
        entries
        |> List.tryFind (fun entry -> entry.Tag = tag)
        |> Option.map (fun entry ->
            let size = sizeOf entry.Kind

            Array.init (int entry.Count) (fun index ->
                number bytes (int size) (entry.At + int64 index * size)))
        |> Option.defaultValue [||]

    /// Entries that a directory may have; common files have twenty.
    let private mostEntries = 500

    /// Samples a pixel: colour, black and alpha.
    let private mostSamples = 5L

    /// Bytes of a tile at most, unpacked; a picture in tiles has many.
    let private largestTile = 64L * 1024L * 1024L

    /// Tags of sizes, samples, packing and places, which are whole numbers and given once.
    let private structure =
        [ 256L; 257L; 258L; 259L; 262L; 273L; 277L; 278L; 279L; 322L; 323L; 324L; 325L ]

    let private contradicts (entries: Entry list) =
        structure
        |> List.exists (fun tag ->
            match entries |> List.filter (fun entry -> entry.Tag = tag) with
            | [] -> false
            | [ entry ] -> entry.Kind <> 3L && entry.Kind <> 4L
            | _ -> true)

    /// Old and new JPEG in TIFF.
    let private jpeg = [ 6L; 7L ]

    /// Whether all that the first directory refers to lies in the file, each byte once, and no number asks for more memory than a picture of its
    /// size needs. What is not looked at here is never asked of the library.
    let check where (bytes: byte[]) : Result<unit, McdrlError> =
        match directory bytes (number bytes 4 4L) with
        | None -> damaged where "its directory can't be read"
        | Some(entries, _) ->
            let length = bytes.LongLength
            let outside = entries |> List.filter (fun entry -> bytesOf entry > 4L)
            let values = numbers bytes entries

            if entries.Length > mostEntries then
                damaged where $"its directory has {entries.Length} entries"
            elif
                outside
                |> List.exists (fun entry -> entry.At < 0L || entry.At + bytesOf entry > length)
                || List.sumBy bytesOf outside > length
            then
                damaged where "its directory refers to more than it holds"
            elif contradicts entries then
                damaged where "its directory contradicts itself"
            else
                let parts offsets counts =
                    let offsets, counts = values offsets, values counts

                    counts.Length > offsets.Length
                    || Seq.exists2 (fun offset count -> offset + count > length) offsets counts
                    || Array.sum counts > length

                let samples = Array.append (values 277L) [| 1L |] |> Array.head
                let bits = Array.append (values 258L) [| 1L |] |> Array.max
                let tile = Array.append (values 322L) (values 323L)

                if parts 273L 279L || parts 324L 325L then
                    damaged where "its pixels lie outside it"
                elif samples < 1L || samples > mostSamples || bits > 32L then
                    refused where $"stores {samples} samples of {bits} bits a pixel, which is not read"
                elif
                    tile.Length = 2
                    && (tile[0] > largestTile
                        || tile[1] > largestTile
                        || tile[0] * tile[1] * samples * bits > 8L * largestTile)
                then
                    refused where $"stores tiles of {tile[0]} x {tile[1]} pixels, which is not read"
                elif values 259L |> Array.exists (fun packing -> List.contains packing jpeg) then
                    refused where "is packed as JPEG inside, which is not read"
                else
                    Ok()

    /// How many directories, each of a picture, follow one another; 1 where they can't be followed.
    let count (bytes: byte[]) : int =
        let seen = HashSet<int64>()

        let rec follow at =
            if at > 0L && seen.Add at then
                match directory bytes at with
                | Some(_, next) -> 1 + follow next
                | None -> 0
            else
                0

        if isTiff bytes then
            max 1 (follow (number bytes 4 4L))
        else
            1
