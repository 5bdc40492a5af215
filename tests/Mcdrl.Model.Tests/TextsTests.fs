module Mcdrl.Tests.TextsTests

open Expecto
open Mcdrl

let private normal shape seed =
    SeedTensors.normal shape (Seed.create seed)

let tests =
    testList
        "Texts"
        [
            testCase "prompts are those of normal mucosa, then of the classes, as labels count them"
            <| fun () ->
                let texts: Texts =
                    {
                        classes = normal [ 1L; 2L; 3L ] 1UL
                        conditions = normal [ 1L; 3L ] 2UL
                        class_conditions = normal [ 2L; 1L; 3L ] 3UL
                        normal = normal [ 3L ] 4UL
                        log_prior = Backdoor.logPrior [ 1.0 ]
                    }

                let found = Texts.prompts texts
                Expect.isTrue (found[0L, 0L].equal(texts.normal).all().item<bool>()) "normal first"

                Expect.isTrue
                    (found.narrow(1L, 1L, 2L).equal(texts.classes).all().item<bool>())
                    "then classes"

                let own = normal [ 2L; 2L; 3L ] 5UL
                let each = Texts.prompts { texts with classes = own }

                for image in 0L .. 1L do
                    Expect.isTrue
                        (each
                            .narrow(0L, image, 1L)
                            .equal(
                                Texts.prompts
                                    { texts with
                                        classes = own.narrow (0L, image, 1L)
                                    }
                            )
                            .all()
                            .item<bool>())
                        "each image's own classes"
        ]
