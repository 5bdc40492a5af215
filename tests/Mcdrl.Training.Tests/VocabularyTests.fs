module Mcdrl.Tests.VocabularyTests

open Expecto
open FsCheck
open FsCheck.FSharp
open Mcdrl

/// Byte-pair encoding by its definition: the neighbouring pair of the lowest rank is merged, until none is left.
let private encode (vocabulary: Vocabulary) (word: string) =
    let rank pair =
        List.tryFindIndex ((=) pair) vocabulary.Merges

    let rec merge (symbols: string list) =
        let best =
            List.pairwise symbols
            |> List.choose (fun pair -> rank pair |> Option.map (fun rank -> rank, pair))
            |> List.sort
            |> List.tryHead

        let rec join pair symbols =
            match symbols with
            | a :: b :: rest when (a, b) = pair -> a + b :: join pair rest
            | a :: rest -> a :: join pair rest
            | [] -> []

        match best with
        | None -> symbols
        | Some(_, pair) -> merge (join pair symbols)

    merge
        [
            for index, letter in Seq.indexed word do
                if index = word.Length - 1 then
                    $"{letter}</w>"
                else
                    string letter
        ]

/// Words of few letters, so that they share parts.
let private words =
    Gen.elements [ 'a'; 'b'; 'c' ]
    |> Gen.nonEmptyListOf
    |> Gen.map (fun letters -> System.String(Array.ofList (List.truncate 6 letters)))
    |> Gen.listOf
    |> Gen.map (List.truncate 12)

let tests =
    testList
        "Vocabulary"
        [
            Property.check "every word of the sentences is one token"
            <| Prop.forAll (Arb.fromGen words) (fun words ->
                let vocabulary = Vocabulary.ofSentences [ String.concat " " words ]
                words |> List.forall (fun word -> encode vocabulary word = [ word + "</w>" ]))

            Property.check "tokens are different, the bytes come first and the end token last"
            <| Prop.forAll (Arb.fromGen words) (fun words ->
                let tokens = (Vocabulary.ofSentences [ String.concat " " words ]).Tokens

                List.distinct tokens = tokens
                && List.truncate 256 tokens = Vocabulary.bytes
                && List.last tokens = "<|endoftext|>")

            testCase "words are cut as the tokenizer cuts them"
            <| fun () ->
                Expect.equal
                    (Vocabulary.words [ "A close-up view, 12 mm"; "a view" ])
                    [ ","; "-"; "1"; "2"; "a"; "close"; "mm"; "up"; "view" ]
                    "letters, digits one by one, signs"
        ]
