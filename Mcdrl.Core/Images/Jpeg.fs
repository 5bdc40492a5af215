namespace Mcdrl

open System
open System.Buffers.Binary

/// A component of a JPEG frame.
type private JpegComponent =
    {
        Id: byte
        Across: int
        Down: int
        /// For each block, the coefficients that earlier scans of a progressive file made other than 0; made when first needed.
        Known: uint64[] ref
        /// Whether a scan with its constant terms was there.
        Begun: bool ref
    }

/// The frame of a JPEG file whose scans can be followed.
type private JpegFrame =
    {
        Width: int
        Height: int
        Progressive: bool
        Components: JpegComponent list
    }

/// Whether the scans of a JPEG file are whole. Decoders fill what a scan lacks with grey, and their warning is lost on the way; so its
/// entropy-coded data is followed here, block by block, without computing a pixel. What can't be followed (arithmetic coding, 12 bits,
/// tables that aren't in the file) is left to the decoder.
[<RequireQualifiedAccess>]
module internal Jpeg =
    /// More scans than any encoder writes; each costs a pass over all blocks, however few bytes it has.
    let private mostScans = 200

    let private damaged where what =
        Error(McdrlError.data what where "Replace the file with an intact copy")

    let private endsEarly where =
        damaged where "the image is damaged: its scan ends early"

    /// Whether the bytes begin as a JPEG file does.
    let isJpeg (bytes: byte[]) =
        bytes.AsSpan().StartsWith(ReadOnlySpan [| 0xFFuy; 0xD8uy; 0xFFuy |])

    /// The first marker from a byte on: where its code is, or the file's end.
    let private markerFrom (bytes: byte[]) start =
        let rec next at =
            match bytes.AsSpan(min at bytes.Length).IndexOf 0xFFuy with
            | -1 -> bytes.Length
            | skipped ->
                let at = at + skipped + 1

                if at >= bytes.Length then bytes.Length
                elif bytes[at] = 0uy then next (at + 1)
                elif bytes[at] = 0xFFuy then next at
                else at

        next start

    /// The table of a Huffman code stated by how many codes of each length there are, from `at` on, and their symbols after that.
    let private tableAt (bytes: byte[]) at =
        let table = Array.zeroCreate<uint16> 65536
        let mutable code, symbol, sound = 0, at + 16, at >= 0

        if sound then
            for length in 1..16 do
                for _ in 1 .. int bytes[at + length - 1] do
                    if sound && code + (1 <<< (16 - length)) <= 65536 then
                        Array.Fill(
                            table,
                            uint16 (length * 256 + int bytes[symbol]),
                            code,
                            1 <<< (16 - length)
                        )

                        code <- code + (1 <<< (16 - length))
                        symbol <- symbol + 1
                    else
                        sound <- false

        if sound then Some table else None

    let private blocksOf (frame: JpegFrame) (own: JpegComponent) =
        let most part =
            frame.Components |> List.map part |> List.max

        let along side factor most =
            ((side * factor + most - 1) / most + 7) / 8

        along frame.Width own.Across (most _.Across), along frame.Height own.Down (most _.Down)

    let private all (found: 'a option list) : 'a list option =
        if List.forall Option.isSome found then
            Some(List.choose id found)
        else
            None

    /// What a scan's header says of one of its components: its tables' numbers.
    type private Member =
        {
            Component: JpegComponent
            Dc: int
            Ac: int
        }

    /// A scan: what it is about, and how its blocks are followed.
    type private Scan =
        {
            Members: Member list
            First: int
            Last: int
            Refines: bool
        }

    /// How each block of the scan is followed, by the member that it is of; `None` where a table is missing.
    let private followers (frame: JpegFrame) (scan: Scan) table (bits: JpegBits ref) (ended: int ref) =
        let follower (own: Member) : (int -> bool) option =
            if not frame.Progressive then
                Option.map2
                    (fun dc ac -> fun _ -> JpegBlock.sequential bits.Value dc ac)
                    (table false own.Dc)
                    (table true own.Ac)
            elif scan.First = 0 && scan.Refines then
                Some(fun _ ->
                    bits.Value.Take 1 |> ignore
                    true)
            elif scan.First = 0 then
                table false own.Dc
                |> Option.map (fun dc -> fun _ -> JpegBlock.constantFirst bits.Value dc)
            else
                let known = own.Component.Known

                if known.Value.Length = 0 then
                    let across, down = blocksOf frame own.Component
                    known.Value <- Array.zeroCreate (across * down)

                let follow =
                    if scan.Refines then
                        JpegBlock.changingNext
                    else
                        JpegBlock.changingFirst

                table true own.Ac
                |> Option.map (fun ac ->
                    fun block -> follow bits.Value ac scan.First scan.Last known.Value ended block)

        scan.Members |> List.map follower |> all

    /// Follows a scan's data from a byte on, and returns the first byte that isn't of it; `None` where it can't be followed.
    let private follow where (bytes: byte[]) interval (frame: JpegFrame) (scan: Scan) table start =
        let bits, ended = ref (JpegBits(bytes, start)), ref 0

        match followers frame scan table bits ended with
        | None -> Ok None
        | Some each ->
            let each = Array.ofList each

            let most part =
                frame.Components |> List.map part |> List.max

            let total, blocks =
                match scan.Members with
                | [ only ] ->
                    let across, down = blocksOf frame only.Component
                    across * down, [| 1 |]
                | several ->
                    let along side most = (side + 8 * most - 1) / (8 * most)

                    along frame.Width (most _.Across) * along frame.Height (most _.Down),
                    [| for own in several -> own.Component.Across * own.Component.Down |]

            /// Goes on behind the marker that stands between two stretches of the scan.
            let restart () =
                let at = markerFrom bytes bits.Value.Position

                if at < bytes.Length && bytes[at] >= 0xD0uy && bytes[at] <= 0xD7uy then
                    bits.Value <- JpegBits(bytes, at + 1)
                    ended.Value <- 0
                    true
                else
                    false

            let mutable place, outcome = 0, Ok()

            while place < total && Result.isOk outcome do
                if interval > 0 && place > 0 && place % interval = 0 && not (restart ()) then
                    outcome <- endsEarly where
                else
                    for own in 0 .. each.Length - 1 do
                        for _ in 1 .. blocks[own] do
                            if Result.isOk outcome && not (each[own] place) then
                                outcome <- damaged where "the image is damaged: its data contradicts itself"

                    if bits.Value.IsShort then
                        outcome <-
                            if markerFrom bytes bits.Value.Position < bytes.Length then
                                endsEarly where
                            else
                                damaged where "the image is truncated: its pixels end too early"

                    place <- place + 1

            outcome |> Result.map (fun () -> Some bits.Value.Position)

    let private word (bytes: byte[]) at =
        int (BinaryPrimitives.ReadUInt16BigEndian(ReadOnlySpan(bytes, at, 2)))

    /// The frame that a header of this content describes, if its scans can be followed.
    let private frameAt (bytes: byte[]) code at length =
        let count = if length >= 6 then int bytes[at + 5] else 0

        if
            code > 0xC2uy
            || count < 1
            || count > 4
            || length < 6 + 3 * count
            || bytes[at] <> 8uy
        then
            None
        else
            let components =
                [
                    for number in 0 .. count - 1 do
                        let own = at + 6 + 3 * number

                        {
                            Id = bytes[own]
                            Across = int (bytes[own + 1] >>> 4)
                            Down = int (bytes[own + 1] &&& 15uy)
                            Known = ref [||]
                            Begun = ref false
                        }
                ]

            let isSound side = side >= 1 && side <= 4

            if
                word bytes (at + 1) > 0
                && word bytes (at + 3) > 0
                && components |> List.forall (fun own -> isSound own.Across && isSound own.Down)
            then
                Some
                    {
                        Width = word bytes (at + 3)
                        Height = word bytes (at + 1)
                        Progressive = (code = 0xC2uy)
                        Components = components
                    }
            else
                None

    let private scanAt (bytes: byte[]) (frame: JpegFrame) at length : Scan option =
        let count = if length >= 1 then int bytes[at] else 0

        if count < 1 || count > 4 || length < 4 + 2 * count then
            None
        else
            let found =
                [
                    for number in 0 .. count - 1 ->
                        let own = at + 1 + 2 * number

                        frame.Components
                        |> List.tryFind (fun other -> other.Id = bytes[own])
                        |> Option.map (fun found ->
                            {
                                Component = found
                                Dc = int (bytes[own + 1] >>> 4)
                                Ac = int (bytes[own + 1] &&& 15uy)
                            })
                ]

            let last = at + 1 + 2 * count
            let first = int bytes[last]

            all found
            |> Option.filter (fun _ -> first = 0 || (count = 1 && first < 64 && bytes[last + 1] < 64uy))
            |> Option.map (fun members ->
                {
                    Members = members
                    First = first
                    Last = int bytes[last + 1]
                    Refines = bytes[last + 2] >>> 4 > 0uy
                })

    /// The places of the Huffman codes that a segment states, by class (true for all but constant terms) and number.
    let private codesAt (bytes: byte[]) at length =
        let rec next at left found =
            if left < 17 then
                found
            else
                let symbols = Seq.sumBy int (Seq.init 16 (fun index -> bytes[at + 1 + index]))

                if symbols > 256 || left < 17 + symbols then
                    found
                else
                    let key = (bytes[at] >>> 4 > 0uy, int (bytes[at] &&& 15uy))
                    next (at + 17 + symbols) (left - 17 - symbols) ((key, at + 1) :: found)

        next at length []

    /// Refuses a file one of whose scans lacks blocks that its header promises.
    let verify where (bytes: byte[]) : Result<unit, McdrlError> =
        let codes = Collections.Generic.Dictionary<struct (bool * int), int>()

        let table isAc number =
            match codes.TryGetValue(struct (isAc, number)) with
            | true, at -> tableAt bytes at
            | false, _ -> None

        let rec next (frame: JpegFrame option) interval scans start =
            let at = markerFrom bytes start
            let code = if at < bytes.Length then bytes[at] else 0uy

            if at + 3 > bytes.Length || code = 0xD9uy then
                match frame with
                | Some frame when scans > 0 && frame.Components |> List.exists (_.Begun.Value >> not) ->
                    endsEarly where
                | _ -> Ok()
            elif code = 0x01uy || (code >= 0xD0uy && code <= 0xD8uy) then
                next frame interval scans (at + 1)
            else
                let length, content = word bytes (at + 1) - 2, at + 3

                if length < 0 || content + length > bytes.Length then
                    // Between two scans that is a cut; before the first one the decoder says what is wrong.
                    if scans > 0 then endsEarly where else Ok()
                else
                    let after = content + length

                    match code, frame with
                    | 0xC4uy, _ ->
                        for (isAc, number), place in codesAt bytes content length |> List.rev do
                            codes[struct (isAc, number)] <- place

                        next frame interval scans after
                    | 0xDDuy, _ when length = 2 -> next frame (word bytes content) scans after
                    | 0xDAuy, Some known when scans < mostScans ->
                        match scanAt bytes known content length with
                        | None -> Ok()
                        | Some scan ->
                            for own in scan.Members do
                                own.Component.Begun.Value <- own.Component.Begun.Value || scan.First = 0

                            match follow where bytes interval known scan table after with
                            | Error fault -> Error fault
                            | Ok None -> Ok()
                            | Ok(Some position) -> next frame interval (scans + 1) position
                    | 0xDAuy, Some _ -> damaged where $"the image has more than {mostScans} scans"
                    | 0xDAuy, None -> Ok()
                    | _, None when code >= 0xC0uy && code <= 0xCFuy && code <> 0xC8uy && code <> 0xCCuy ->
                        match frameAt bytes code content length with
                        | None -> Ok()
                        | found -> next found interval scans after
                    | _ -> next frame interval scans after

        next None 0 0 2
