module Mcdrl.Tests.LineReaderTests

open System
open System.IO
open System.Text
open Expecto
open Mcdrl

/// All lines of a file with these bytes, and where the reader stands after each.
let private linesOf longest (bytes: byte[]) =
    Folder.temporary (fun folder ->
        let file = Path.Combine(folder, "lines")
        File.WriteAllBytes(file, bytes)
        use reader = Outcome.ok (LineReader.openAt 0L longest file)

        let rec go found =
            match reader.Next() with
            | Ok(Some line) -> go ((line, reader.Offset) :: found)
            | Ok None -> Ok(List.rev found)
            | Error fault -> Error fault

        go [])

let private texts bytes =
    Outcome.ok (linesOf 1000 bytes) |> List.map (fun (line, _) -> line.Text)

/// A line as a file holds one.
let private cleaned letters =
    Property.text letters
    |> String.filter (fun letter -> letter <> '\n' && letter <> '\r' && letter <> '\uFEFF')

let tests =
    testList
        "LineReader"
        [
            Property.check "lines that are written are read, whatever they hold" (fun drawn ->
                let lines = drawn |> List.map cleaned

                let bytes =
                    Encoding.UTF8.GetBytes(lines |> List.map (fun line -> line + "\n") |> String.concat "")

                let found = Outcome.ok (linesOf 100_000 bytes)

                found |> List.map (fun (line, _) -> line.Text) = lines
                && found |> List.forall (fun (line, _) -> line.IsEnded)
                && found |> List.map (fun (line, _) -> line.Line) = [ for n in 1 .. lines.Length -> int64 n ])

            testCase "lines that are longer than what is read at a time"
            <| fun () ->
                let lines = [ String('a', 70000); ""; String('b', 65536); String('c', 65535); "d" ]
                let bytes = Encoding.UTF8.GetBytes(String.concat "\n" lines)

                let found = Outcome.ok (linesOf 70000 bytes)
                Expect.equal (found |> List.map (fun (line, _) -> line.Text)) lines "all"

                Expect.equal
                    (found |> List.map (fun (line, _) -> line.IsEnded))
                    [ true; true; true; true; false ]
                    "nothing ends the last"

                linesOf 69999 bytes
                |> Outcome.refusedWith 4 [ "lines, line 1"; "more than 69999 bytes" ]

            testCase "carriage returns and a byte order mark are none of the text"
            <| fun () ->
                Expect.equal
                    (texts (Encoding.UTF8.GetBytes "\uFEFFa\r\nb\r\n\r\nc"))
                    [ "a"; "b"; ""; "c" ]
                    "as Windows writes it"

                Expect.equal
                    (texts (Encoding.UTF8.GetBytes "a\n\uFEFFb\n"))
                    [ "a"; "\uFEFFb" ]
                    "at the beginning of the file alone"

                Expect.equal (texts ""B) [] "an empty file"
                Expect.equal (texts "\n"B) [ "" ] "an empty line"

            testCase "what is no text is refused, and its line named"
            <| fun () ->
                linesOf 100 (Encoding.Latin1.GetBytes "a\nbÿc\nd\n")
                |> Outcome.refusedWith 4 [ "lines, line 2"; "not UTF-8" ]

            testCase "it goes on where another stopped"
            <| fun () ->
                Folder.temporary (fun folder ->
                    let file = Path.Combine(folder, "lines")
                    File.WriteAllText(file, "één\ntwee\ndrie\n")

                    let offset =
                        use first = Outcome.ok (LineReader.openAt 0L 100 file)
                        first.Next() |> Outcome.ok |> ignore
                        first.Offset

                    use second = Outcome.ok (LineReader.openAt offset 100 file)

                    match second.Next() with
                    | Ok(Some line) -> Expect.equal line.Text "twee" "the second"
                    | other -> failtest $"%A{other}")

            testCase "a file that isn't there"
            <| fun () ->
                match LineReader.openAt 0L 100 "/none/lines" with
                | Ok _ -> failtest "opened"
                | Error fault -> Error fault |> Outcome.refusedWith 4 [ "/none/lines" ]
        ]
