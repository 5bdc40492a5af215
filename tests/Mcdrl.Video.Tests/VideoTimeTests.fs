module Mcdrl.Tests.VideoTimeTests

open Expecto
open Mcdrl

let tests =
    testList
        "times"
        [
            test "as people write them, and nothing else" {
                for text, seconds in
                    [
                        "12", 12.0
                        "12.5", 12.5
                        "1:02.5", 62.5
                        "1:02:03", 3723.0
                        "0", 0.0
                        "90", 90.0
                    ] do
                    Expect.equal (VideoTime.parse text) (Ok seconds) text

                for text in [ ""; "-1"; "1:60"; "1:60:00"; "a"; "1:2:3:4"; "NaN"; "1e3"; "1,5"; ":5" ] do
                    Expect.isError (VideoTime.parse text) text
            }

            test "as players show them" {
                for seconds, text in [ 0.0, "0:00"; 12.99, "0:12"; 62.0, "1:02"; 3723.4, "1:02:03" ] do
                    Expect.equal (VideoTime.text seconds) text text
            }
        ]
