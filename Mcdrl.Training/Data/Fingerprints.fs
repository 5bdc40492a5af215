namespace Mcdrl

open System
open System.Numerics
open System.Security.Cryptography

/// What a frame is recognised by.
type Fingerprint =
    {
        /// sha256 of the file, in hexadecimal: equal for copies only.
        Digest: string
        /// 512 bits of the picture, nearly equal for pictures that look alike (`Fingerprints.distance`).
        Look: uint64[]
    }

/// Recognises frames that are the same picture, even encoded anew, resized, slightly cropped, brighter or darker.
[<RequireQualifiedAccess>]
module Fingerprints =
    /// Cells a side of the grid that pictures are compared on.
    let private side = 16

    /// Mean luma of each cell of a grid that is laid over the picture.
    let private cells (picture: Picture) columns rows =
        let sums = Array.zeroCreate<int64>(columns * rows)
        let counts = Array.zeroCreate<int64>(columns * rows)

        for y in 0 .. picture.Height - 1 do
            let row = int (int64 y * int64 rows / int64 picture.Height) * columns

            for x in 0 .. picture.Width - 1 do
                let cell = row + int (int64 x * int64 columns / int64 picture.Width)
                sums[cell] <- sums[cell] + int64 (Luma.thousandths picture (y * picture.Width + x))
                counts[cell] <- counts[cell] + 1L

        Array.map2 (fun sum count -> if count = 0L then 0L else sum / count) sums counts

    /// A difference hash: for each cell of a 16 x 16 grid, whether its neighbour on the right is brighter, then whether
    /// the one below is. Brightness and contrast cancel out; size and encoding matter little.
    let look (picture: Picture) : uint64[] =
        let across = cells picture (side + 1) side
        let down = cells picture side (side + 1)
        let bits = Array.zeroCreate<uint64>(2 * side * side / 64)

        let put index isBrighter =
            if isBrighter then
                bits[index / 64] <- bits[index / 64] ||| (1UL <<< (index % 64))

        for y in 0 .. side - 1 do
            for x in 0 .. side - 1 do
                put (y * side + x) (across[y * (side + 1) + x + 1] > across[y * (side + 1) + x])
                put (side * side + y * side + x) (down[(y + 1) * side + x] > down[y * side + x])

        bits

    /// The bits in which two looks differ, 0 to 512.
    let distance (left: uint64[]) (right: uint64[]) : int =
        let mutable different = 0

        for word in 0 .. left.Length - 1 do
            different <- different + BitOperations.PopCount(left[word] ^^^ right[word])

        different

    /// The fingerprint of a file's bytes and the picture that they hold.
    let create (bytes: byte[]) (picture: Picture) : Fingerprint =
        {
            Digest = Convert.ToHexStringLower(SHA256.HashData bytes)
            Look = look picture
        }
