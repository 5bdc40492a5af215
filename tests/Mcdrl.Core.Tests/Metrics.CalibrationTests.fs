module Mcdrl.Tests.MetricsCalibrationTests

open Expecto
open Mcdrl

let private frame (pixels: (float * bool) list) =
    Calibration.ofFrame (fun tell ->
        pixels
        |> List.iter (fun (probability, lesion) -> tell (float32 probability) lesion))

let private close = Expect.floatClose { absolute = 1e-7; relative = 1e-6 }

let private first =
    [
        0.02, false
        0.05, false
        0.1, true
        0.3, false
        0.3, true
        0.5, false
        0.62, true
        0.9, true
        0.95, true
        1.0, true
    ]

let private second = [ 0.1, false; 0.2, true ]

/// By a program of its own: fifteen bins, ECE = Σ_b n_b/N · |mean p − share true|, Brier = mean (p − y)²; of two frames the sums
/// of each with weight 1/2.
let private goldens =
    testList
        "golden"
        [
            test "a frame of ten pixels" {
                let found = frame first
                close (Calibration.expectedError found) 0.24 "ECE"
                close (Calibration.brier found) 0.17998 "Brier"
                close (Calibration.prevalence found) 0.6 "prevalence"
                close (Calibration.referenceBrier found) 0.24 "0.6 · 0.4"
            }

            test "frames weigh the same, whatever their size" {
                close (Calibration.expectedError (frame second)) 0.45 "ECE of the second"
                close (Calibration.brier (frame second)) 0.325 "Brier of the second"
                let both = Calibration.sum [ frame first; frame second ]
                close (Calibration.expectedError both) 0.295 "ECE"
                close (Calibration.brier both) 0.25249 "Brier"
                close (List.sum both.Pixels) 2.0 "two frames"
            }

            test "a bin holds its lower end, the last its upper end too" {
                let found = frame [ 0.0, false; 0.125, false; 0.2, false; 1.0, false ]

                let filled =
                    found.Pixels |> List.indexed |> List.filter (fun (_, share) -> share > 0.0)

                Expect.equal (List.map fst filled) [ 0; 1; 3; 14 ] "0, above 1/15, 3/15, 1"
                Expect.hasLength found.Pixels 15 "bins"
            }

            test "of no frame nothing is known" {
                let none = Calibration.sum []
                Expect.isTrue (System.Double.IsNaN(Calibration.expectedError none)) "ECE"
                Expect.isTrue (System.Double.IsNaN(Calibration.brier none)) "Brier"
            }
        ]

let private pixelsOf (drawn: (byte * bool) list) =
    drawn |> List.map (fun (level, lesion) -> float level / 255.0, lesion)

let private laws =
    testList
        "laws"
        [
            Property.check "probabilities that are frequencies have ECE 0"
            <| fun (FsCheck.PositiveInt lesions) (FsCheck.PositiveInt others) (FsCheck.PositiveInt certain) ->
                let share = float lesions / float (lesions + others)

                let pixels =
                    List.replicate lesions (share, true)
                    @ List.replicate others (share, false)
                    @ List.replicate certain (0.0, false)

                // Pixels that are certain fall into the lowest bin, with others if those are rare: still their mean is their frequency.
                Calibration.expectedError (frame pixels) < 1e-6

            testProperty
                "ECE ≤ 1, Brier ≤ 1; with each pixel certain and right both are 0, and wrong both are 1"
            <| fun (FsCheck.NonEmptyArray(drawn: (byte * bool)[])) ->
                let pixels = pixelsOf (List.ofArray drawn)
                let found = frame pixels

                let right =
                    frame [ for _, lesion in pixels -> (if lesion then 1.0 else 0.0), lesion ]

                let wrong =
                    frame [ for _, lesion in pixels -> (if lesion then 0.0 else 1.0), lesion ]

                let within value = -1e-9 <= value && value <= 1.0 + 1e-9

                within (Calibration.expectedError found)
                && within (Calibration.brier found)
                && Calibration.expectedError right + Calibration.brier right = 0.0
                && abs (Calibration.expectedError wrong + Calibration.brier wrong - 2.0) < 1e-9

            Property.check "whoever says the prevalence everywhere has its Brier score, and ECE 0"
            <| fun (FsCheck.NonEmptyArray(drawn: bool[])) ->
                let prevalence = float (drawn |> Seq.filter id |> Seq.length) / float drawn.Length

                let found = frame [ for lesion in drawn -> prevalence, lesion ]

                Calibration.expectedError found < 1e-6
                && abs (Calibration.brier found - Calibration.referenceBrier found) < 1e-6

            Property.check "the order of pixels and of frames doesn't matter"
            <| fun
                   (FsCheck.NonEmptyArray(one: (byte * bool)[]))
                   (FsCheck.NonEmptyArray(other: (byte * bool)[])) ->
                let one, other = pixelsOf (List.ofArray one), pixelsOf (List.ofArray other)
                let these = Calibration.sum [ frame one; frame other ]
                let those = Calibration.sum [ frame (List.rev other); frame (List.rev one) ]

                abs (Calibration.expectedError these - Calibration.expectedError those) < 1e-9
                && abs (Calibration.brier these - Calibration.brier those) < 1e-9
                && these.Frames = 2
        ]

let tests = testList "Metrics.Calibration" [ goldens; laws ]
