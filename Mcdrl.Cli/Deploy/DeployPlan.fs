namespace Mcdrl.Cli

open System.Text.RegularExpressions
open Mcdrl

/// What many processes are to do, and what each of them needs: the same plan for every engine that starts them.
type DeployPlan =
    {
        /// What the engine calls it.
        Name: string
        /// What is done.
        Work: DeployWork
        /// Into how many parts it is divided.
        Parts: int
        /// How many parts are worked on at once.
        AtOnce: int
        /// How long a part may take.
        Minutes: int
        /// Processors of a part.
        Cpus: int
        /// Memory of a part in GiB.
        Memory: int
        /// Graphics cards of a part.
        Gpus: int
        /// The command, by its name or path.
        Program: string
        /// Environment modules that are loaded before it.
        Modules: string list
        /// The image of a container that the command is in.
        Image: string option
        /// Where the engine is to run it, by the engine's own name.
        Partition: string option
        /// A volume that every process sees, by its name, and the folder at which each sees it.
        Claim: (string * string) option
    }

/// A file that starts the processes or is read by what starts them.
type DeployFile =
    {
        /// Its name.
        Name: string
        /// All of it.
        Text: string
        /// Whether it is to be run.
        IsProgram: bool
    }

/// Plans within their limits, and the command lines that they come to.
[<RequireQualifiedAccess>]
module DeployPlan =
    /// What Kubernetes takes for a name, which is less than others do.
    let private isName (name: string) =
        name.Length <= 52 && Regex.IsMatch(name, "^[a-z]([-a-z0-9]*[a-z0-9])?$")

    /// A plain word: a module, a partition, an image, a claim.
    let private isWord (word: string) =
        Regex.IsMatch(word, @"^[A-Za-z0-9_./:@+=-]+$")

    /// Everything that is out of range, at once.
    let check (plan: DeployPlan) : Result<DeployPlan, McdrlError> =
        let refused what where fix = McdrlError.usage what where fix

        let faults =
            [
                match Part.create plan.Parts 0 with
                | Error fault -> fault
                | Ok _ -> ()

                for flag, number, least in
                    [
                        "--at-once", plan.AtOnce, 1
                        "--minutes", plan.Minutes, 1
                        "--cpus", plan.Cpus, 1
                        "--memory", plan.Memory, 1
                        "--gpus", plan.Gpus, 0
                    ] do
                    if number < least then
                        refused $"{number} is less than {least}" flag "Give a larger number"

                if not (isName plan.Name) then
                    refused
                        "it is no name that every scheduler takes"
                        $"--name {plan.Name}"
                        "Use up to 52 lower-case letters, digits and dashes, a letter first"

                for flag, words in
                    [
                        "--modules", plan.Modules
                        "--image", Option.toList plan.Image
                        "--partition", Option.toList plan.Partition
                        "--claim", plan.Claim |> Option.map fst |> Option.toList
                    ] do
                    for word in words do
                        if not (isWord word) then
                            refused "it is no plain word" $"{flag} {word}" "Use letters, digits and -_./:@+="

                let paths =
                    [
                        for place in plan.Work.Places do
                            place.Flag, place.Path
                    ]

                for flag, path in ("--program", plan.Program) :: paths do
                    if path.IndexOfAny [| '\n'; '\r'; '\000' |] >= 0 then
                        refused "the path holds a line break or a NUL" flag "Use another path"

                for flag, path in paths do
                    match plan.Claim with
                    | Some(_, folder) ->
                        let inside = folder.TrimEnd '/' + "/"

                        if not ((path + "/").StartsWith(inside, System.StringComparison.Ordinal)) then
                            refused
                                $"{path} is not in {folder}, which is all that the processes see"
                                flag
                                "Name it as the processes see it, or choose another --mount"
                    | None ->
                        if plan.Image.IsSome && path.IndexOfAny [| ','; ':' |] >= 0 then
                            refused
                                "a container can't be given a path with a comma or colon"
                                $"{flag} {path}"
                                "Use another path, or no container"
            ]

        match McdrlError.ofList faults with
        | Some faults -> Error faults
        | None -> Ok plan

    /// The words that do a part, less what says which: a scheduler tells its processes.
    let part (plan: DeployPlan) : string list =
        plan.Program :: plan.Work.Words @ [ "--parts"; string plan.Parts ]

    /// The words of what follows when all parts have ended.
    let closing (plan: DeployPlan) : string list = plan.Program :: plan.Work.Closing.Words

    /// The folders that a process must see, none of them in another.
    let folders (plan: DeployPlan) : string list =
        let above =
            plan.Work.Places
            |> List.map (fun place -> place.Folder.TrimEnd '/' + "/")
            |> List.distinct

        above
        |> List.filter (fun folder ->
            above
            |> List.forall (fun other ->
                other = folder
                || not (folder.StartsWith(other, System.StringComparison.Ordinal))))
        |> List.map (fun folder -> if folder = "/" then folder else folder.TrimEnd '/')

    /// A command line of a shell; in the container, where there is one. Apptainer runs as whoever calls it, and sees folders that are bound.
    let line (plan: DeployPlan) (words: string list) : string =
        [
            match plan.Image with
            | Some image ->
                "apptainer"
                "exec"

                if plan.Gpus > 0 then
                    "--nv"

                for folder in folders plan do
                    "--bind"
                    folder

                image
            | None -> ()
            yield! words
        ]
        |> List.map ShellWord.quoted
        |> String.concat " "

    /// How the processors of a part are told to the command.
    let processors = "DOTNET_PROCESSOR_COUNT"
