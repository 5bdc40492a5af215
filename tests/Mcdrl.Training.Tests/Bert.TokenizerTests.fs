module Mcdrl.Tests.BertTokenizerTests

open System
open System.IO
open Expecto
open Mcdrl
open Mcdrl.Tests

let private tokenizer lowerCase =
    Outcome.ok (BertTokenizer.ofTokens "here" lowerCase TinyBert.tokens)

/// The pieces between [CLS] and [SEP].
let private pieces lowerCase text =
    let ids = BertTokenizer.encode (tokenizer lowerCase) text
    Expect.equal (List.head ids, List.last ids) (2L, 3L) "[CLS] and [SEP]"
    [ for id in ids[1 .. ids.Length - 2] -> TinyBert.tokens[int id] ]

let private cuts name text expected =
    testCase name <| fun () -> Expect.equal (pieces true text) expected text

let tests =
    testList
        "Bert.Tokenizer"
        [
            cuts "words" "a polyp of the mucosa" [ "a"; "polyp"; "of"; "the"; "mucosa" ]
            cuts "upper case" "A POLYP" [ "a"; "polyp" ]
            cuts "pieces of a word" "polyps 12mm" [ "polyp"; "##s"; "12"; "##mm" ]
            cuts "accents, composed and not" "Café cafe\u0301 NAÏVE" [ "cafe"; "cafe"; "naive" ]
            cuts "a letter whose small form is two" "İn" [ "in" ]
            cuts
                "punctuation stands alone"
                "polyp-ulcer, cyst's!"
                [ "polyp"; "-"; "ulcer"; ","; "cyst"; "'"; "[UNK]"; "!" ]
            cuts "ideographs stand alone" "日本" [ "日"; "本" ]
            cuts "an unknown word" "a llama in blood" [ "a"; "[UNK]"; "in"; "blood" ]
            cuts "unknown characters" "polyp\U0001F600 ½ a" [ "[UNK]"; "[UNK]"; "a" ]
            cuts "one unknown piece makes the word unknown" "polypq" [ "[UNK]" ]
            cuts
                "white space and control characters"
                "  polyp\tof\u00a0a\r\n\u0000ul\u200bcer\u0007 \uFFFD"
                [ "polyp"; "of"; "a"; "ulcer" ]
            cuts "half a surrogate pair" "a \ud800 polyp" [ "a"; "polyp" ]
            cuts "names of special tokens are words like others" "[SEP]" [ "[UNK]"; "[UNK]"; "[UNK]" ]
            cuts "more than a hundred characters are no word" (String.replicate 101 "s") [ "[UNK]" ]
            cuts "no text" "" []

            testCase "a vocabulary of both cases keeps case and accents"
            <| fun () -> Expect.equal (pieces false "Polyp polyp café") [ "Polyp"; "polyp"; "café" ] "kept"

            testCase "refused: a vocabulary without what BERT needs, and one with a token twice"
            <| fun () ->
                for token in [ "[CLS]"; "[SEP]"; "[UNK]" ] do
                    BertTokenizer.ofTokens "vocab.txt" true (List.except [ token ] TinyBert.tokens)
                    |> Outcome.refusedWith 3 [ "vocab.txt"; token ]

                BertTokenizer.ofTokens "vocab.txt" true (TinyBert.tokens @ [ "polyp" ])
                |> Outcome.refusedWith 3 [ "\"polyp\" twice" ]
        ]
