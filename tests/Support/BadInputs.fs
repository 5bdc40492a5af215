/// The bad inputs of reliability.md's table, and what must come of each: one table for the command, the core and the C# API.
/// Here rows 1 to 19 and 43: pictures, masks, datasets and small data.
module Mcdrl.Tests.BadInputs

open System
open System.IO
open System.Text
open Mcdrl
open SkiaSharp

/// What an input is given to.
[<NoComparison; NoEquality>]
type Subject =
    /// The path of an image, to be segmented.
    | Image of make: (string -> string)
    /// The folder of a dataset, to be checked.
    | Dataset of make: (string -> string)
    /// The folder of a dataset to be trained on, with settings.
    | Training of make: (string -> string) * settings: string list

/// What must come of an input.
type Expected =
    | Accepted
    /// Refused as one of these families, by their exit codes, with these words.
    | Refused of codes: int list * words: string list

[<NoComparison; NoEquality>]
type BadInput =
    {
        /// Of the table in reliability.md.
        Row: int
        Name: string
        Subject: Subject
        Expected: Expected
    }

let private data words = Refused([ 4 ], words)

let private file name (bytes: byte[]) folder =
    let path = Path.Combine(folder, name)
    File.WriteAllBytes(path, bytes)
    path

let private image row name fileName bytes expected =
    {
        Row = row
        Name = name
        Subject = Image(file fileName bytes)
        Expected = expected
    }

let private noise =
    let bytes = Array.zeroCreate 5000
    Random(1).NextBytes bytes
    bytes

let private png, private jpeg = Crafted.png 64 48, Crafted.jpeg 64 48
let private half (bytes: byte[]) = Array.truncate (bytes.Length / 2) bytes

let private claiming width height =
    Crafted.pngFile width height 8 0 0 [||] (Array.zeroCreate 6000)

let private pictures =
    [
        image 1 "a file of no bytes" "x.png" [||] (data [ "empty" ])
        image
            2
            "text named .png"
            "x.png"
            (Encoding.UTF8.GetBytes "hello, I am a PNG")
            (data [ "not an image" ])
        image 2 "noise" "x.jpg" noise (data [ "not an image" ])
        image 3 "a PNG cut in half" "x.png" (half png) (data [ "truncated" ])
        image 4 "a JPEG cut in half" "x.jpg" (half jpeg) (data [ "truncated" ])
        image
            4
            "a JPEG without its end marker"
            "x.jpg"
            (Array.truncate (jpeg.Length - 2) jpeg)
            (data [ "truncated" ])
        image
            4
            "a JPEG whose scan ends early, in an end marker"
            "x.jpg"
            (Crafted.endedAt (jpeg.Length / 2) jpeg)
            (data [ "damaged"; "ends early" ])
        image
            4
            "a progressive JPEG whose scan ends early, in an end marker"
            "x.jpg"
            (Crafted.endedAt (Crafted.progressiveJpeg.Length - 40) Crafted.progressiveJpeg)
            (data [ "damaged"; "ends early" ])
        image 4 "a progressive JPEG" "x.jpg" Crafted.progressiveJpeg Accepted
        image
            5
            "a PNG with a wrong checksum"
            "x.png"
            (Crafted.flip (png.Length - 14) png)
            (data [ "checksum" ])
        image
            6
            "50,000 x 50,000 pixels of 1 bit"
            "x.png"
            (Crafted.pngFile 50_000 50_000 1 0 0 [||] (Array.zeroCreate (50_000 / 8 * 1000)))
            (Refused([ 5 ], [ "50000 x 50000" ]))
        image 7 "a claim of 30,000 x 30,000" "x.png" (claiming 30_000 30_000) (Refused([ 5 ], []))
        image
            7
            "a claim of 2^31 - 1 squared"
            "x.png"
            (claiming Int32.MaxValue Int32.MaxValue)
            (Refused([ 4; 5 ], []))
        image 7 "a claim of 1 x 500,000,000" "x.png" (claiming 1 500_000_000) (Refused([ 4; 5 ], []))
        image 7 "a claim of 0 x 48" "x.png" (claiming 0 48) (data [])
        image 8 "a CMYK JPEG" "x.jpg" Crafted.cmykJpeg Accepted
        image
            9
            "16-bit grey"
            "x.png"
            (Crafted.pngFile 2 1 16 0 0 [||] [| 0uy; 0x80uy; 0x12uy; 0xFFuy; 0xFFuy |])
            Accepted
        image
            11
            "an image that is transparent everywhere"
            "x.png"
            (Crafted.pngFile 2 1 8 6 0 [||] [| 0uy; 10uy; 20uy; 30uy; 0uy; 40uy; 50uy; 60uy; 0uy |])
            Accepted
        for tag in 1..8 do
            image
                12
                $"a JPEG of EXIF orientation {tag}"
                "x.jpg"
                (Crafted.withOrientation tag (Crafted.jpeg 32 16))
                Accepted

            image
                12
                $"a PNG of EXIF orientation {tag}"
                "x.png"
                (Crafted.withChunk "eXIf" (Crafted.exif (tag % 2 = 0) tag) (Crafted.png 32 16))
                Accepted
        for width, height in [ 1, 1; 1, 50; 50, 1; 7, 5 ] do
            image 13 $"{width} x {height} pixels" "x.png" (Crafted.png width height) Accepted
        image 13 "grey" "x.png" (Crafted.indexed 8 1 8 0 false [| 0..7 |]) Accepted
        image 14 "an animated GIF" "x.gif" Crafted.animatedGif Accepted
        image
            14
            "a TIFF file without a directory"
            "x.tif"
            (Encoding.ASCII.GetBytes "II*\000\008\000\000\000\000\000")
            (data [ "TIFF"; "intact copy" ])
        image 19 "a name with spaces, emoji and a newline" "a b 🙂\n c.png" (Crafted.png 8 8) Accepted
    ]

let private plain =
    """"classes": ["polyp"], "masks": { "0": "background", "255": "polyp" }"""

/// A dataset of one site whose `s/images` and `s/masks` hold these files.
let private dataset (text: string) (images: (string * byte[]) list) (masks: (string * byte[]) list) folder =
    let root = Path.Combine(folder, "data")

    for kind, files in [ "images", images; "masks", masks ] do
        Directory.CreateDirectory(Path.Combine(root, "s", kind)) |> ignore

        for name, bytes in files do
            File.WriteAllBytes(Path.Combine(root, "s", kind, name), bytes)

    File.WriteAllText(Path.Combine(root, "dataset.json"), text)
    root

let private described (fields: string) =
    $"""{{ "name": "T", {fields}, "sites": {{ "s": {{ "images": "s/images", "masks": "s/masks" }} }} }}"""

/// A mask of 8 x 6 pixels with these two values, the second in the right half.
let private halves below above =
    Crafted.indexed 8 6 8 0 false [| for pixel in 0..47 -> if pixel % 8 < 4 then below else above |]

let private frame = Crafted.png 8 6

let private pairs row name fields images masks expected =
    {
        Row = row
        Name = name
        Subject = Dataset(dataset (described fields) images masks)
        Expected = expected
    }

let private mask row name bytes expected =
    pairs row name plain [ "x.png", frame ] [ "x.png", bytes ] expected

/// The dataset of one good pair, its description written so.
let private encoded row name (bytes: string -> byte[]) =
    let make folder =
        let root = dataset "" [ "x.png", frame ] [ "x.png", halves 0 255 ] folder
        File.WriteAllBytes(Path.Combine(root, "dataset.json"), bytes (described plain))
        root

    {
        Row = row
        Name = name
        Subject = Dataset make
        Expected = Accepted
    }

/// The good pair in a dataset that `spoil` changes.
let private spoilt row name fields spoil expected =
    let make folder =
        let root =
            dataset (described fields) [ "x.png", frame ] [ "x.png", halves 0 255 ] folder

        spoil root
        root

    {
        Row = row
        Name = name
        Subject = Dataset make
        Expected = expected
    }

/// Grey and alpha of 8 x 6 pixels, the right half opaque.
let private marked (grey: int -> byte) =
    let pixel x =
        [| grey x; (if x < 4 then 0uy else 255uy) |]

    let row = Array.append [| 0uy |] (Array.collect pixel [| 0..7 |])
    Crafted.pngFile 8 6 8 4 0 [||] (Array.concat (Array.replicate 6 row))

let private turned = Crafted.withOrientation 6 (Crafted.jpeg 8 6)

let private datasets =
    [
        mask
            10
            "a 16-bit mask"
            (Crafted.pngFile 8 6 16 0 0 [||] (Array.zeroCreate 102))
            (data [ "lose labels" ])
        pairs
            10
            "masks of palette indices and of 2 bits"
            """"classes": ["polyp"], "masks": { "0": "background", "3": "polyp" }"""
            [ "x.png", frame; "y.png", frame ]
            [
                "x.png",
                Crafted.indexed 8 6 8 3 false [| for pixel in 0..47 -> if pixel % 8 < 4 then 0 else 3 |]
                "y.png",
                Crafted.indexed 8 6 2 0 false [| for pixel in 0..47 -> if pixel % 8 < 4 then 0 else 3 |]
            ]
            Accepted
        mask 10 "a mask that its alpha alone marks" (marked (fun _ -> 255uy)) (data [ "alpha" ])
        mask
            10
            "a mask with alpha whose values say what is marked"
            (marked (fun x -> if x < 4 then 0uy else 255uy))
            Accepted
        pairs
            12
            "a mask drawn on the upright picture, of a frame that is stored turned"
            plain
            [ "x.jpg", turned ]
            [
                "x.png",
                Crafted.indexed 6 8 8 0 false [| for pixel in 0..47 -> if pixel < 24 then 0 else 255 |]
            ]
            (data [ "EXIF orientation 6"; "mask_orientation" ])
        pairs
            12
            "the same, with what the dataset says"
            (plain + """, "mask_orientation": "upright" """)
            [ "x.jpg", turned ]
            [
                "x.png",
                Crafted.indexed 6 8 8 0 false [| for pixel in 0..47 -> if pixel < 24 then 0 else 255 |]
            ]
            Accepted
        pairs
            12
            "a mask as the frame is stored, where the dataset says upright"
            (plain + """, "mask_orientation": "upright" """)
            [ "x.jpg", turned ]
            [ "x.png", halves 0 255 ]
            (data [ "EXIF orientation 6"; "stored" ])
        pairs
            12
            "a mask_orientation that is none"
            (plain + """, "mask_orientation": "sideways" """)
            [ "x.png", frame ]
            [ "x.png", halves 0 255 ]
            (data [ "mask_orientation"; "upright" ])
        mask
            15
            "a mask of another size"
            (Crafted.indexed 4 6 8 0 false (Array.zeroCreate 24))
            (data [ "4 x 6"; "8 x 6" ])
        mask 16 "an unknown label" (halves 0 7) (data [ "7 (24 pixels)" ])
        mask
            16
            "soft edges"
            (Crafted.indexed 8 6 8 0 false [| for pixel in 0..47 -> pixel % 8 * 36 |])
            (data [ "threshold" ])
        pairs
            17
            "0 and 255 where 0 and 1 are declared"
            """"classes": ["polyp"], "masks": { "0": "background", "1": "polyp" }"""
            [ "x.png", frame ]
            [ "x.png", halves 0 255 ]
            (data [ "0=0,255=1" ])
        pairs
            18
            "a frame without a mask, a mask without a frame, two frames of one name"
            plain
            [ "x.png", frame; "y.png", frame; "z.png", frame; "z.jpg", Crafted.jpeg 8 6 ]
            [ "x.png", halves 0 255; "w.png", halves 0 255; "z.png", halves 0 255 ]
            (data [ "has no mask"; "has no frame"; "share the name z" ])
        pairs 18 "a site without a frame" plain [] [] (data [ "no frame" ])
        spoilt
            19
            "a loop of links"
            plain
            (fun root ->
                File.CreateSymbolicLink(
                    Path.Combine(root, "s", "images", "y.png"),
                    Path.Combine(root, "s", "images", "y.png")
                )
                |> ignore)
            (data [ "loop" ])
        {
            Row = 19
            Name = "a folder outside the dataset"
            Subject =
                Dataset(
                    dataset
                        $"""{{ "name": "T", {plain}, "sites": {{ "s": {{ "images": "../s/images", "masks": "s/masks" }} }} }}"""
                        [ "x.png", frame ]
                        [ "x.png", halves 0 255 ]
                )
            Expected = data [ "out of the dataset" ]
        }
        pairs
            19
            "names with spaces and emoji"
            plain
            [ "a b 🙂.png", frame ]
            [ "a b 🙂.png", halves 0 255 ]
            Accepted
        encoded 19 "a description with a byte order mark" (fun text ->
            Array.append [| 0xEFuy; 0xBBuy; 0xBFuy |] (Encoding.UTF8.GetBytes text))
        encoded 19 "a description in UTF-16" (fun text ->
            Array.append [| 0xFFuy; 0xFEuy |] (Encoding.Unicode.GetBytes text))
        encoded 19 "a description with lines ended as on Windows" (fun text ->
            Encoding.UTF8.GetBytes(text.Replace(", ", ",\r\n")))
    ]

/// So many sites of one frame of 32 x 32 pixels, half of it marked.
let oneEach sites folder =
    let root = Path.Combine(folder, "data")
    let names = List.truncate sites [ "a"; "b"; "c" ]

    for site in names do
        for kind in [ "images"; "masks" ] do
            Directory.CreateDirectory(Path.Combine(root, site, kind)) |> ignore

        File.WriteAllBytes(Path.Combine(root, site, "images", "x.png"), Crafted.png 32 32)

        File.WriteAllBytes(
            Path.Combine(root, site, "masks", "x.png"),
            Crafted.indexed 32 32 8 0 false [| for pixel in 0..1023 -> if pixel % 32 < 16 then 0 else 255 |]
        )

    let listed =
        names
        |> List.map (fun site ->
            $"\"{site}\": {{ \"images\": \"{site}/images\", \"masks\": \"{site}/masks\" }}")
        |> String.concat ", "

    File.WriteAllText(
        Path.Combine(root, "dataset.json"),
        $"""{{ "name": "T", {plain}, "sites": {{ {listed} }} }}"""
    )

    root

let private training name make settings expected =
    {
        Row = 43
        Name = name
        Subject = Training(make, settings)
        Expected = expected
    }

let private trainings =
    [
        training "one frame in all" (oneEach 1) [] Accepted
        training
            "one frame in all, and features kept of a frozen tower"
            (oneEach 1)
            [ "augmentation.views=2" ]
            Accepted
        training "one frame a site" (oneEach 3) [] Accepted
        training "everything is to be held back" (oneEach 3) [ "validation=0.99" ] Accepted
        training "batches of one frame" (oneEach 3) [ "optimiser.batch_size=1" ] Accepted
        training "no epoch" (oneEach 3) [ "optimiser.epochs=0" ] (Refused([ 2 ], [ "epochs" ]))
        training
            "a learning rate beyond all numbers"
            (oneEach 3)
            [ "optimiser.learning_rate=1e999" ]
            (Refused([ 2 ], [ "learning_rate" ]))
        training
            "a learning rate of NaN"
            (oneEach 3)
            [ "optimiser.learning_rate=NaN" ]
            (Refused([ 2 ], [ "learning_rate" ]))
    ]

let all = pictures @ datasets @ trainings
