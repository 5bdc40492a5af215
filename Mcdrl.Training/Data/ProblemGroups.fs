namespace Mcdrl

open System
open System.IO
open System.Text.RegularExpressions

/// Problems that say the same of many files, told once.
[<RequireQualifiedAccess>]
module ProblemGroups =
    let private digits = Regex("[0-9]+", RegexOptions.CultureInvariant)

    let private faultOf (problem: McdrlError) =
        match problem with
        | McdrlError.Usage fault
        | McdrlError.Model fault
        | McdrlError.Data fault
        | McdrlError.Resource fault -> Some fault
        | McdrlError.Cancelled
        | McdrlError.Several _ -> None

    /// What a fault says, without the file and the numbers that it says it of.
    let private kind (fault: Fault) =
        let name =
            Path.GetFileNameWithoutExtension fault.Where
            |> Option.ofObj
            |> Option.defaultValue ""

        let plain (text: string) =
            let text = if name = "" then text else text.Replace(name, "*")
            digits.Replace(text, "#")

        plain fault.What, plain fault.Fix

    /// Files that are named of a group besides the first; of more the number.
    let private shown = 3

    /// The first problem, said of all their places.
    let private together folder (problems: McdrlError list) =
        let below (place: string) =
            if place.StartsWith(folder + string Path.DirectorySeparatorChar, StringComparison.Ordinal) then
                Path.GetRelativePath(folder, place)
            else
                place

        match problems |> List.choose faultOf |> List.map _.Where with
        | first :: (_ :: _ as others) ->
            let listed = others |> List.truncate shown |> List.map below |> String.concat ", "
            let more = if others.Length > shown then ", …" else ""

            problems.Head
            |> McdrlError.mapWhere (fun _ -> $"{below first} and {others.Length} more ({listed}{more})")
        | _ -> problems.Head

    /// One problem for all that differ in files and numbers alone, in the order in which the first of each was met: what is said is
    /// said of the first, and the others are counted. Files in `folder` are named by the path below it where there are several.
    let ofList (folder: string) (problems: McdrlError list) : McdrlError list =
        problems
        |> List.indexed
        |> List.groupBy (fun (index, problem) ->
            match faultOf problem with
            | Some fault -> Choice1Of2(McdrlError.exitCode problem, kind fault)
            | None -> Choice2Of2 index)
        |> List.map (fun (_, members) -> members |> List.map snd |> together folder)
