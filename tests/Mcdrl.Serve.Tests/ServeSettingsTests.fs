module Mcdrl.Tests.ServeSettingsTests

open System.Net
open Expecto
open Mcdrl

let private everywhere =
    { ServeSettings.standard with
        Address = IPAddress.Any
    }

let tests =
    testList
        "ServeSettings"
        [
            test "what other machines reach needs a token" {
                ServeSettings.check everywhere |> Outcome.refusedWith 2 [ "0.0.0.0"; "token" ]

                ServeSettings.check
                    { everywhere with
                        Token = Some(String.replicate 4 "abcd")
                    }
                |> Outcome.ok
                |> ignore
            }

            test "a short token is refused, and not shown" {
                let _, text =
                    ServeSettings.check
                        { everywhere with
                            Token = Some "secret"
                        }
                    |> Outcome.refused

                Expect.isFalse (text.Contains "secret") "it isn't shown"
            }

            test "all that is out of range is told at once" {
                ServeSettings.check
                    { ServeSettings.standard with
                        Port = 70000
                        AtOnce = 0
                        Waiting = -1
                    }
                |> Outcome.refusedWith 2 [ "“port”"; "“concurrency”"; "“queue”" ]
            }
        ]
