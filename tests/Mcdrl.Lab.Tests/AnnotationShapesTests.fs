module Mcdrl.Tests.AnnotationShapesTests

open Expecto
open FsCheck
open Mcdrl
open Mcdrl.Tests

let private shape height area =
    {
        Label = "polyp"
        Height = height
        Area = area
    }

let private rows (map: LabelMap) =
    [
        for y in 0 .. map.Height - 1 -> String.init map.Width (fun x -> string map.Labels[y * map.Width + x])
    ]

let private square left top side =
    AnnotationShapes.rectangle (left, top) (left + side, top + side)

let tests =
    testList
        "Annotation shapes"
        [
            test "a pixel is marked if its centre is inside; what lies outside the picture is cut" {
                let drawn = AnnotationShapes.draw 5 4 [ 1uy, shape 0 (square 0.6 0.4 2.0) ]
                Expect.equal (rows drawn) [ "01100"; "01100"; "00000"; "00000" ] "centres"
                let cut = AnnotationShapes.draw 3 3 [ 1uy, shape 0 (square -5.0 -5.0 7.0) ]
                Expect.equal (rows cut) [ "110"; "110"; "000" ] "cut"
                let beside = AnnotationShapes.draw 3 3 [ 1uy, shape 0 (square 50.0 -900.0 7.0) ]
                Expect.equal (rows beside) [ "000"; "000"; "000" ] "beside"
            }

            test "the smaller lies above the larger, and what is drawn higher above both" {
                let large, small = square 0.0 0.0 4.0, square 1.0 1.0 2.0

                for shapes in
                    [
                        [ 1uy, shape 0 large; 2uy, shape 0 small ]
                        [ 2uy, shape 0 small; 1uy, shape 0 large ]
                    ] do
                    Expect.equal
                        (rows (AnnotationShapes.draw 4 4 shapes))
                        [ "1111"; "1221"; "1221"; "1111" ]
                        "whatever the order"

                Expect.equal
                    (rows (AnnotationShapes.draw 4 4 [ 2uy, shape 0 small; 1uy, shape 1 large ]))
                    [ "1111"; "1111"; "1111"; "1111" ]
                    "higher"
            }

            test "runs fill their box, row by row or column by column" {
                let box down =
                    ShapeArea.Runs(1, 0, 2, 3, down, [| 1; 2; 3 |])

                Expect.equal
                    (rows (AnnotationShapes.draw 4 3 [ 3uy, shape 0 (box true) ]))
                    [ "0000"; "0300"; "0300" ]
                    "down"

                Expect.equal
                    (rows (AnnotationShapes.draw 4 3 [ 3uy, shape 0 (box false) ]))
                    [ "0030"; "0300"; "0000" ]
                    "across"
            }

            test "what can't be drawn is told" {
                for area in
                    [
                        ShapeArea.Outlines []
                        ShapeArea.Outlines [ [| 0.0, 0.0; 1.0, 1.0 |] ]
                        ShapeArea.Outlines [ [| 0.0, 0.0; 1.0, 1.0; nan, 2.0 |] ]
                        ShapeArea.Outlines [ [| 0.0, 0.0; 1.0, 1.0; 1e7, 2.0 |] ]
                        ShapeArea.Runs(0, 0, 2, 2, true, [| 3 |])
                        ShapeArea.Runs(0, 0, 2, 2, true, [| 5; -1 |])
                        ShapeArea.Runs(0, 0, 0, 2, true, [||])
                        ShapeArea.Runs(0, 0, 20000, 20000, true, [| 0; 400000000 |])
                    ] do
                    Expect.isSome (AnnotationShapes.fault area) $"{area}"

                Expect.isNone (AnnotationShapes.fault (square 0.0 0.0 1.0)) "a square"
            }

            Property.check
                "what COCO's tools pack is unpacked, whatever the picture"
                (fun (NonEmptyArray(bits: bool[])) ->
                    let map: LabelMap =
                        {
                            Width = bits.Length
                            Height = 3
                            Labels =
                                Array.init (bits.Length * 3) (fun i ->
                                    if bits[i % bits.Length] <> (i % 5 = 0) then 1uy else 0uy)
                        }

                    let lengths = Annotated.runs map 1uy

                    Coco.unpack (Annotated.packed lengths) = Some(Array.ofList lengths)
                    && (let area = ShapeArea.Runs(0, 0, map.Width, 3, true, Array.ofList lengths)
                        AnnotationShapes.draw map.Width 3 [ 1uy, shape 0 area ] = map))

            test "long runs are packed and unpacked, and nonsense isn't" {
                for lengths in [ [ 0; 100_000; 3; 70_000; 2_000_000; 1 ]; [ 15; 16; 17; 31; 32; 33; 0; 1 ] ] do
                    Expect.equal (Coco.unpack (Annotated.packed lengths)) (Some(Array.ofList lengths)) "back"

                for text in [ "o"; "ooooooooooo"; "1\u00e9"; " " ] do
                    Expect.isNone (Coco.unpack text) text
            }
        ]
