module Mcdrl.Tests.FolderSwapTests

open System.IO
open Expecto
open Mcdrl

let private put folder names (content: string) =
    Directory.CreateDirectory folder |> ignore

    for name: string in names do
        File.WriteAllText(Path.Combine(folder, name), content)

let private read folder name =
    File.ReadAllText(Path.Combine(folder, name))

let private names = [ "one"; "two"; "last" ]

let private fresh folder =
    put folder names "new"
    Ok()

/// A folder with earlier files, one of another kind among them, in a parent of its own.
let private within work =
    Folder.temporary (fun parent ->
        let folder = Path.Combine(parent, "model")
        put folder ("notes" :: names) "old"
        put (Path.Combine(folder, "card")) [ "figure" ] "old"
        work parent folder)

let private alone parent =
    Expect.equal (Directory.GetFileSystemEntries parent |> Array.length) 1 "nothing is left beside it"

let tests =
    testList
        "FolderSwap"
        [
            testCase "a folder that isn't there is made"
            <| fun () ->
                Folder.temporary (fun parent ->
                    let folder = Path.Combine(parent, "model")
                    Outcome.ok (FolderSwap.replace folder "last" fresh)
                    Expect.equal (List.map (read folder) names) [ "new"; "new"; "new" ] "all of them"
                    alone parent)

            testCase "all files take the place of those of their names, whatever else is there stays"
            <| fun () ->
                within (fun parent folder ->
                    Outcome.ok (FolderSwap.replace folder "last" fresh)
                    Expect.equal (List.map (read folder) names) [ "new"; "new"; "new" ] "all of them"
                    Expect.equal (read folder "notes") "old" "a stranger's file"
                    Expect.equal (read (Path.Combine(folder, "card")) "figure") "old" "and folder"
                    alone parent)

            testCase "while the new files are written, and where that fails, the old ones stand"
            <| fun () ->
                within (fun parent folder ->
                    FolderSwap.replace folder "last" (fun staged ->
                        put staged [ "one" ] "new"
                        Expect.equal (List.map (read folder) names) [ "old"; "old"; "old" ] "meanwhile"
                        Error(McdrlError.resource "full" folder "Free some space"))
                    |> Outcome.refusedWith 5 [ "full" ]

                    Expect.equal (List.map (read folder) names) [ "old"; "old"; "old" ] "afterwards"
                    alone parent)

            testCase "through a link, what it leads to is replaced, and the link stays"
            <| fun () ->
                within (fun parent folder ->
                    let link = Path.Combine(parent, "current")
                    Directory.CreateSymbolicLink(link, folder) |> ignore
                    Outcome.ok (FolderSwap.replace link "last" fresh)
                    Expect.equal (read folder "one") "new" "what it leads to"
                    Expect.isNotNull (DirectoryInfo(link).LinkTarget) "a link")
        ]
