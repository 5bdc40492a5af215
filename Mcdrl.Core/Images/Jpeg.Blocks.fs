namespace Mcdrl

open System

/// The bits of a scan's entropy-coded data, from a byte of the file up to the next marker.
[<Sealed>]
type internal JpegBits(bytes: byte[], start: int) =
    let mutable position = start
    let mutable held = 0UL
    let mutable count = 0
    let mutable isShort = false

    /// Takes in bytes until eight are held or a marker or the file's end is reached.
    let fill () =
        let mutable going = true

        while going && count <= 48 do
            if position >= bytes.Length then
                going <- false
            elif bytes[position] <> 0xFFuy then
                held <- (held <<< 8) ||| uint64 bytes[position]
                count <- count + 8
                position <- position + 1
            elif position + 1 < bytes.Length && bytes[position + 1] = 0uy then
                held <- (held <<< 8) ||| 0xFFUL
                count <- count + 8
                position <- position + 2
            else
                going <- false

    /// Whether more was asked for than there is.
    member _.IsShort = isShort

    /// The first byte that isn't taken in.
    member _.Position = position

    /// The next bits as a number; 0 where there aren't so many.
    member _.Take(bits: int) =
        if count < bits then
            fill ()

        if count < bits then
            isShort <- true
            0
        else
            count <- count - bits
            int ((held >>> count) &&& ((1UL <<< bits) - 1UL))

    /// The next symbol of a Huffman code, whose table has length * 256 + symbol at every 16 bits that begin with the code; -1 for a
    /// code that there isn't.
    member _.Symbol(table: uint16[]) =
        if count < 16 then
            fill ()

        let window =
            if count >= 16 then
                int (held >>> (count - 16)) &&& 0xFFFF
            else
                int (held <<< (16 - count)) &&& 0xFFFF

        let entry = int table[window]
        let length = entry >>> 8

        if length > count then
            isShort <- true
            0
        elif length = 0 then
            // Short rather than wrong where the file has no 16 bits left.
            if count < 16 then
                isShort <- true
                0
            else
                -1
        else
            count <- count - length
            entry &&& 0xFF

/// How one block of a scan is followed; false for a code that there isn't.
[<RequireQualifiedAccess>]
module internal JpegBlock =
    /// All coefficients, of a file that isn't progressive.
    let sequential (bits: JpegBits) (dc: uint16[]) (ac: uint16[]) =
        let first = bits.Symbol dc

        if first < 0 || first > 16 then
            false
        else
            bits.Take first |> ignore
            let mutable k, sound = 1, true

            while k < 64 && sound && not bits.IsShort do
                let symbol = bits.Symbol ac
                let run, size = symbol >>> 4, symbol &&& 15

                if symbol < 0 then
                    sound <- false
                elif size > 0 then
                    bits.Take size |> ignore
                    k <- k + run + 1
                elif run = 15 then
                    k <- k + 16
                else
                    k <- 64

            sound

    /// The first bits of the constant term.
    let constantFirst (bits: JpegBits) (dc: uint16[]) =
        let size = bits.Symbol dc

        if size < 0 || size > 16 then
            false
        else
            bits.Take size |> ignore
            true

    /// The first bits of coefficients `first` to `last`. `ended` counts the blocks to come in which nothing more is.
    let changingFirst (bits: JpegBits) (ac: uint16[]) first last (known: uint64[]) (ended: int ref) block =
        if ended.Value > 0 then
            ended.Value <- ended.Value - 1
            true
        else
            let mutable k, sound = first, true

            while k <= last && sound && not bits.IsShort do
                let symbol = bits.Symbol ac
                let run, size = symbol >>> 4, symbol &&& 15

                if symbol < 0 then
                    sound <- false
                elif size > 0 then
                    bits.Take size |> ignore
                    k <- k + run

                    if k < 64 then
                        known[block] <- known[block] ||| (1UL <<< k)

                    k <- k + 1
                elif run = 15 then
                    k <- k + 16
                else
                    ended.Value <- (1 <<< run) - 1 + bits.Take run
                    k <- 64

            sound

    /// One more bit of coefficients `first` to `last`, and those that it makes other than 0.
    let changingNext (bits: JpegBits) (ac: uint16[]) first last (known: uint64[]) (ended: int ref) block =
        let isKnown k = (known[block] >>> k) &&& 1UL = 1UL
        let mutable k, sound = first, true

        if ended.Value = 0 then
            while k <= last && sound && ended.Value = 0 && not bits.IsShort do
                let symbol = bits.Symbol ac
                let mutable run = symbol >>> 4
                let size = symbol &&& 15

                if symbol < 0 then
                    sound <- false
                elif size = 0 && run < 15 then
                    ended.Value <- (1 <<< run) + bits.Take run
                else
                    if size > 0 then
                        bits.Take 1 |> ignore

                    let mutable passing = true

                    while passing && k <= last do
                        if isKnown k then
                            bits.Take 1 |> ignore
                            k <- k + 1
                        elif run = 0 then
                            passing <- false
                        else
                            run <- run - 1
                            k <- k + 1

                    if size > 0 && k < 64 then
                        known[block] <- known[block] ||| (1UL <<< k)

                    k <- k + 1

        if ended.Value > 0 then
            for later in k..last do
                if isKnown later then
                    bits.Take 1 |> ignore

            ended.Value <- ended.Value - 1

        sound
