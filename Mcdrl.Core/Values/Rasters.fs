namespace Mcdrl

open System
open System.Runtime.InteropServices

/// How the rows and columns of an image file lie with respect to the upright picture: the eight values of
/// the EXIF tag 0x0112, named as there (row 0 is at the visual …, column 0 at the visual …).
[<RequireQualifiedAccess>]
type Orientation =
    /// 1: upright as it is stored.
    | TopLeft
    /// 2: mirrored left to right.
    | TopRight
    /// 3: turned by 180°.
    | BottomRight
    /// 4: mirrored top to bottom.
    | BottomLeft
    /// 5: rows and columns exchanged.
    | LeftTop
    /// 6: upright after a clockwise quarter turn.
    | RightTop
    /// 7: rows and columns exchanged, and turned by 180°.
    | RightBottom
    /// 8: upright after a counter-clockwise quarter turn.
    | LeftBottom

/// Turns sizes, points and rasters from the file's orientation upright, and back.
[<RequireQualifiedAccess>]
module Orientation =
    /// All eight, in the order of the EXIF values 1 to 8.
    let all =
        [
            Orientation.TopLeft
            Orientation.TopRight
            Orientation.BottomRight
            Orientation.BottomLeft
            Orientation.LeftTop
            Orientation.RightTop
            Orientation.RightBottom
            Orientation.LeftBottom
        ]

    /// The value of the EXIF tag, 1 to 8.
    let exif orientation =
        1 + List.findIndex ((=) orientation) all

    /// Whether the upright picture's width is the file's height.
    let swapsSides orientation =
        match orientation with
        | Orientation.TopLeft
        | Orientation.TopRight
        | Orientation.BottomRight
        | Orientation.BottomLeft -> false
        | Orientation.LeftTop
        | Orientation.RightTop
        | Orientation.RightBottom
        | Orientation.LeftBottom -> true

    /// The upright size (width, height) of a file of the given size; its own inverse.
    let size orientation (width: int, height: int) =
        if swapsSides orientation then
            height, width
        else
            width, height

    /// Where the upright pixel (x, y) lies in a file of the given size.
    let private source orientation (width, height) struct (x, y) =
        match orientation with
        | Orientation.TopLeft -> struct (x, y)
        | Orientation.TopRight -> struct (width - 1 - x, y)
        | Orientation.BottomRight -> struct (width - 1 - x, height - 1 - y)
        | Orientation.BottomLeft -> struct (x, height - 1 - y)
        | Orientation.LeftTop -> struct (y, x)
        | Orientation.RightTop -> struct (y, height - 1 - x)
        | Orientation.RightBottom -> struct (width - 1 - y, height - 1 - x)
        | Orientation.LeftBottom -> struct (width - 1 - y, x)

    /// Where the file's pixel (x, y) lies in the upright picture of the given size: the inverse of `source`.
    let internal upright orientation (width, height) point =
        match orientation with
        | Orientation.RightTop -> source Orientation.LeftBottom (width, height) point
        | Orientation.LeftBottom -> source Orientation.RightTop (width, height) point
        | own -> source own (width, height) point

    /// Calls `move filePixel uprightPixel` with the row-major indices of every pixel.
    let private iterate orientation (width, height) move =
        let uprightWidth, uprightHeight = size orientation (width, height)

        for y in 0 .. uprightHeight - 1 do
            for x in 0 .. uprightWidth - 1 do
                let struct (fileX, fileY) = source orientation (width, height) (struct (x, y))
                move (fileY * width + fileX) (y * uprightWidth + x)

    let private copy channels (source: byte[]) (target: byte[]) fromPixel toPixel =
        for channel in 0 .. channels - 1 do
            target[toPixel * channels + channel] <- source[fromPixel * channels + channel]

    /// Turns a file's raster (row-major, `channels` bytes a pixel, size as in the file) upright.
    let apply orientation channels (width, height) (raster: byte[]) =
        match orientation with
        | Orientation.TopLeft -> raster
        | _ ->
            let upright = Array.zeroCreate raster.Length

            iterate orientation (width, height) (fun filePixel uprightPixel ->
                copy channels raster upright filePixel uprightPixel)

            upright

    /// The inverse of `apply`: an upright raster back into the file's own orientation. The size given is the
    /// file's.
    let revert orientation channels (width, height) (upright: byte[]) =
        match orientation with
        | Orientation.TopLeft -> upright
        | _ ->
            let raster = Array.zeroCreate upright.Length

            iterate orientation (width, height) (fun filePixel uprightPixel ->
                copy channels upright raster uprightPixel filePixel)

            raster

/// An upright 8-bit colour picture.
type Picture =
    {
        /// Pixels a row, upright.
        Width: int
        /// Rows, upright.
        Height: int
        /// `Height * Width * 3` bytes, row by row, red, green, blue.
        Rgb: byte[]
        /// How the file that it came from was turned.
        Orientation: Orientation
    }

/// From the four bytes a pixel of codecs and canvases to the three of a picture, and back.
[<RequireQualifiedAccess>]
module Picture =
    /// Red, green and blue of pixels of four bytes, as canvases give them; the fourth is ignored.
    let rgbOf (rgba: byte[]) : byte[] =
        let rgb = Array.zeroCreate<byte>(rgba.Length / 4 * 3)

        for pixel in 0 .. rgba.Length / 4 - 1 do
            rgb[pixel * 3] <- rgba[pixel * 4]
            rgb[pixel * 3 + 1] <- rgba[pixel * 4 + 1]
            rgb[pixel * 3 + 2] <- rgba[pixel * 4 + 2]

        rgb

    /// The upright picture of a file of this size, whose rows `readRow y row` gives one by one as four bytes a pixel, red first; the
    /// fourth is ignored.
    let internal ofRows orientation (width: int, height: int) (readRow: int -> byte[] -> unit) : Picture =
        let uprightWidth, uprightHeight = Orientation.size orientation (width, height)
        let rgb = Array.zeroCreate<byte>(width * height * 3)
        let row = Array.zeroCreate<byte>(width * 4)
        let upright = (uprightWidth, uprightHeight)

        for fileY in 0 .. height - 1 do
            readRow fileY row

            for fileX in 0 .. width - 1 do
                let struct (x, y) =
                    match orientation with
                    | Orientation.TopLeft -> struct (fileX, fileY)
                    | turned -> Orientation.upright turned upright (struct (fileX, fileY))

                let into = (y * uprightWidth + x) * 3
                rgb[into] <- row[fileX * 4]
                rgb[into + 1] <- row[fileX * 4 + 1]
                rgb[into + 2] <- row[fileX * 4 + 2]

        {
            Width = uprightWidth
            Height = uprightHeight
            Rgb = rgb
            Orientation = orientation
        }

    /// Row `y` of the picture as four bytes a pixel, the fourth 255: opaque.
    let internal copyRow (picture: Picture) y (target: byte[]) =
        for x in 0 .. picture.Width - 1 do
            Array.blit picture.Rgb ((y * picture.Width + x) * 3) target (x * 4) 3
            target[x * 4 + 3] <- 255uy

    /// The picture's pixels as four bytes each, the fourth 255: opaque.
    let rgba (picture: Picture) : byte[] =
        let row = Array.zeroCreate<byte>(picture.Width * 4)
        let rgba = Array.zeroCreate<byte>(picture.Width * picture.Height * 4)

        for y in 0 .. picture.Height - 1 do
            copyRow picture y row
            Array.blit row 0 rgba (y * row.Length) row.Length

        rgba

    /// The picture smaller by a whole factor: each pixel the mean of the pixels that it stands for, of which the last row and column
    /// may have fewer.
    let internal reduced (factor: int) (picture: Picture) : Picture =
        let smaller side = (side + factor - 1) / factor
        let width, height = smaller picture.Width, smaller picture.Height
        let rgb = Array.zeroCreate<byte>(width * height * 3)
        let sums = Array.zeroCreate<int>(width * 3)

        for y in 0 .. height - 1 do
            let rows = min factor (picture.Height - y * factor)
            Array.Clear sums

            for row in y * factor .. y * factor + rows - 1 do
                for x in 0 .. picture.Width - 1 do
                    let from, into = (row * picture.Width + x) * 3, x / factor * 3

                    for channel in 0..2 do
                        sums[into + channel] <- sums[into + channel] + int picture.Rgb[from + channel]

            for x in 0 .. width - 1 do
                let count = rows * min factor (picture.Width - x * factor)

                for channel in 0..2 do
                    rgb[(y * width + x) * 3 + channel] <- byte ((sums[x * 3 + channel] + count / 2) / count)

        { picture with
            Width = width
            Height = height
            Rgb = rgb
        }

/// Brightness as the eye weighs red, green and blue (luma of ITU-R BT.601).
[<RequireQualifiedAccess>]
module Luma =
    /// Of a colour in its own scale.
    let ofColour struct (red: float, green: float, blue: float) =
        0.299 * red + 0.587 * green + 0.114 * blue

    /// Of a picture's pixel, counted row by row, in thousandths of a level: 0 to 255 000.
    let thousandths (picture: Picture) (pixel: int) =
        299 * int picture.Rgb[pixel * 3]
        + 587 * int picture.Rgb[pixel * 3 + 1]
        + 114 * int picture.Rgb[pixel * 3 + 2]

    /// The same to whole levels, 0 to 255.
    let level (picture: Picture) (pixel: int) =
        (thousandths picture pixel + 500) / 1000

/// One label a pixel, 0 to 255.
type LabelMap =
    {
        /// Pixels a row.
        Width: int
        /// Rows.
        Height: int
        /// `Height * Width` labels, row by row.
        Labels: byte[]
    }

/// Label maps at other sizes and in a file's orientation, and what they hold of each label.
[<RequireQualifiedAccess>]
module LabelMap =
    /// The map at another size: each pixel takes the label that lies under its centre.
    let resized (width: int) (height: int) (map: LabelMap) : LabelMap =
        if (width, height) = (map.Width, map.Height) then
            map
        else
            let under size target position =
                int ((int64 position * 2L + 1L) * int64 size / (2L * int64 target))

            {
                Width = width
                Height = height
                Labels =
                    Array.init (width * height) (fun pixel ->
                        let x = under map.Width width (pixel % width)
                        let y = under map.Height height (pixel / width)
                        map.Labels[y * map.Width + x])
            }

    /// How often each of the 256 labels occurs.
    let histogram (map: LabelMap) : int64[] =
        let counts = Array.zeroCreate 256

        for label in map.Labels do
            counts[int label] <- counts[int label] + 1L

        counts

    /// Each label from 1 on that the map shows and the share of its pixels that have it, in the order of the labels.
    let shares (map: LabelMap) : (int * float) list =
        let counts = histogram map

        [
            for label in 1..255 do
                if counts[label] > 0L then
                    label, float counts[label] / float map.Labels.Length
        ]

    /// A map in a file's own orientation, turned upright.
    let upright orientation (map: LabelMap) : LabelMap =
        let width, height = Orientation.size orientation (map.Width, map.Height)

        {
            Width = width
            Height = height
            Labels = Orientation.apply orientation 1 (map.Width, map.Height) map.Labels
        }

    /// The inverse of `upright`: an upright map in the orientation of the file that it belongs to.
    let inFile orientation (map: LabelMap) : LabelMap =
        let width, height = Orientation.size orientation (map.Width, map.Height)

        {
            Width = width
            Height = height
            Labels = Orientation.revert orientation 1 (width, height) map.Labels
        }

/// One number a pixel.
type ValueMap =
    {
        /// Pixels a row.
        Width: int
        /// Rows.
        Height: int
        /// `Height * Width` numbers, row by row.
        Values: float32[]
    }

/// Value maps in a file's orientation.
[<RequireQualifiedAccess>]
module ValueMap =
    /// An upright map in the orientation of the file that it belongs to.
    let inFile orientation (map: ValueMap) : ValueMap =
        match orientation with
        | Orientation.TopLeft -> map
        | turned ->
            let width, height = Orientation.size turned (map.Width, map.Height)
            let bytes = MemoryMarshal.AsBytes(ReadOnlySpan map.Values).ToArray()
            let values = Orientation.revert turned sizeof<float32> (width, height) bytes

            {
                Width = width
                Height = height
                Values = MemoryMarshal.Cast<byte, float32>(ReadOnlySpan values).ToArray()
            }
