module Mcdrl.Tests.TracksTests

open Expecto
open Mcdrl

let private region label (x, y) (width, height) : TrackedRegion =
    {
        Label = label
        Box =
            {
                X = x
                Y = y
                Width = width
                Height = height
            }
        Area = int64 (width * height)
        Probability = 0.9
    }

/// The lesions of frames at these times, and whom each frame's regions belong to.
let private follow (frames: (float * TrackedRegion list) list) =
    let folded, numbers =
        (Tracks.none, frames)
        ||> List.mapFold (fun tracking (time, regions) ->
            let next, numbers = Tracks.step Tracks.standard time regions tracking
            numbers, next)
        |> fun (numbers, tracking) -> tracking, numbers

    Tracks.all folded, numbers

/// A region that moves by so many pixels a frame at 25 frames a second.
let private moving count (x, y) (dx, dy) seen =
    [
        for index in 0 .. count - 1 ->
            0.04 * float index,
            [
                if seen index then
                    region 1 (x + dx * float index, y + dy * float index) (40.0, 30.0)
            ]
    ]

let private always _ = true

let tests =
    testList
        "tracks"
        [
            test "one that moves is one, from its first frame to its last" {
                let tracks, numbers = follow (moving 50 (10.0, 10.0) (6.0, 2.0) always)

                match tracks with
                | [ track ] ->
                    Expect.equal track.Number (Some 1) "the first"
                    Expect.equal (track.First, track.Last) (0.0, 0.04 * 49.0) "seen"
                    Expect.equal track.Seen 50 "frames"
                | other -> failtest $"{other.Length} tracks"

                Expect.equal
                    numbers
                    ([ [ None ]; [ None ] ] @ List.replicate 48 [ Some 1 ])
                    "told from the third frame on"
            }

            test "one that is missed for a while goes on where it is foretold; after long it is another" {
                // At six pixels a frame it is 90 pixels, more than twice its width, further after 15 frames.
                let missed =
                    moving 60 (10.0, 10.0) (6.0, 1.0) (fun index -> index < 20 || index >= 35)

                Expect.equal (fst (follow missed)).Length 1 "0.6 s"

                let gone =
                    moving 100 (10.0, 10.0) (1.0, 0.0) (fun index -> index < 20 || index >= 60)

                let tracks, _ = follow gone
                Expect.equal (tracks |> List.map _.Number) [ Some 1; Some 2 ] "1.6 s"
                Expect.isLessThan tracks[0].Last tracks[1].First "one after the other"
            }

            test "two that cross keep their numbers; classes are apart" {
                let one = moving 60 (0.0, 50.0) (5.0, 0.0) always
                let other = moving 60 (300.0, 60.0) (-5.0, 0.0) always

                let both = List.map2 (fun (time, left) (_, right) -> time, left @ right) one other

                let tracks, numbers = follow both
                Expect.equal tracks.Length 2 "two"
                Expect.equal (List.last numbers) [ Some 1; Some 2 ] "as before"

                let mixed =
                    [
                        for index in 0..9 ->
                            0.04 * float index,
                            [ region 1 (10.0, 10.0) (40.0, 40.0); region 2 (12.0, 10.0) (40.0, 40.0) ]
                    ]

                Expect.equal (fst (follow mixed) |> List.map _.Label) [ 1; 2 ] "two classes"
            }

            test "what is seen in one frame or two is nothing" {
                let frames =
                    [
                        for index in 0..30 ->
                            0.04 * float index,
                            [
                                if index % 6 < 2 then
                                    region 1 (20.0, 20.0) (30.0, 30.0)
                            ]
                    ]

                let tracks, numbers = follow frames
                Expect.equal tracks [] "none"
                Expect.isTrue (numbers |> List.concat |> List.forall Option.isNone) "told of none"
            }

            test "pieces of a lesion are that lesion" {
                let frames =
                    [
                        for index in 0..20 ->
                            0.04 * float index,
                            if index % 4 = 3 then
                                [ region 1 (10.0, 10.0) (60.0, 18.0); region 1 (20.0, 34.0) (12.0, 10.0) ]
                            else
                                [ region 1 (10.0, 10.0) (60.0, 40.0) ]
                    ]

                let tracks, numbers = follow frames
                Expect.equal tracks.Length 1 "one"
                Expect.equal numbers[7] [ Some 1; Some 1 ] "both pieces"
            }

            test "frames far apart are followed as well" {
                let frames =
                    [
                        for index in 0..8 ->
                            2.0 * float index, [ region 1 (10.0 + 5.0 * float index, 10.0) (40.0, 40.0) ]
                    ]

                Expect.equal (fst (follow frames)).Length 1 "one"
            }

            Property.check "what is told of a frame doesn't depend on later ones, and each region is told of"
            <| fun (places: (byte * byte) list) ->
                let frames =
                    places
                    |> List.mapi (fun index (x, y) ->
                        0.04 * float index,
                        [
                            for number in 0 .. int x % 3 ->
                                region (1 + number % 2) (float x + 30.0 * float number, float y) (20.0, 20.0)
                        ])

                let _, all = follow frames
                let half = List.truncate (frames.Length / 2) frames
                let _, first = follow half
                Expect.equal (List.truncate half.Length all) first "the first half"

                for (_, regions), numbers in List.zip frames all do
                    Expect.equal numbers.Length regions.Length "one each"
        ]
