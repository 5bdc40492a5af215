// Shows that the laws would fail if the method were wrong: in a temporary copy of the source tree, breaks the method in
// one place at a time, builds the model tests, runs the laws and prints which of them noticed.
//   dotnet fsi scripts/mutations.fsx             the table; exit code 1 if a mutation survives
//   dotnet fsi scripts/mutations.fsx --record    and writes docs/laws.md, the list of the laws and the table
open System
open System.Diagnostics
open System.IO
open System.Text.RegularExpressions

type Mutation =
    {
        Name: string
        /// The source that is broken.
        File: string
        /// What the source says, and what it says once broken. The first must be there exactly once.
        Changes: (string * string) list
    }

let method, layers = "Mcdrl.Model.fs", "Mcdrl.Model/Tensors/Layers.fs"

let mutations =
    [
        {
            Name = "attention without log π"
            File = layers
            Changes =
                [
                    ("logPrior.``to`` queries.dtype", "(logPrior.``to`` queries.dtype).zeros_like()")
                ]
        }
        {
            Name = "attention that can't rest: no key that changes nothing"
            File = layers
            Changes =
                [
                    "scores.sigmoid ()", "torch.ones_like scores"
                    "functional.pad(scores, [| 0L; 1L |]).softmax(-1L).narrow(-1L, 0L, several)",
                    "scores.softmax(-1L).narrow(-1L, 0L, several)"
                ]
        }
        {
            Name = "the frame's own style, past the intervention"
            File = method
            Changes =
                [
                    "let style = rows.select (1L, -1L) // [B', d]",
                    "let style = observation.Rows.select(1L, -1L).repeat (rows.shape[0] / observation.Rows.shape[0], 1L)"
                ]
        }
        {
            Name = "no residual around attention"
            File = method
            Changes = [ ("let x = x.add (attended, unity)", "let x = attended") ]
        }
        {
            Name = "prior not normalised"
            File = method
            Changes = [ ("weights.div(weights.sum ()).log()", "weights.log ()") ]
        }
        {
            Name = "mask off by one"
            File = method
            Changes =
                [
                    ("order.narrow (1L, 0L, count alpha best.shape[1])",
                     "order.narrow (1L, 0L, max 1L (count alpha best.shape[1] - 1L))")
                ]
        }
        {
            Name = "L_causal: mean over images instead of prompts"
            File = method
            Changes =
                [
                    "(unit classConditions).mean([| 1L |]).index_select(0L, classes.index_select (0L, rows))",
                    "(unit classConditions).index_select(0L, classes.index_select (0L, rows)).mean([| 0L |])"
                    "pooled.sub target", "pooled.unsqueeze(1L).sub target"
                ]
        }
    ]

let fail (message: string) : 'a = failwith message

let repository = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, ".."))

let copy = (Directory.CreateTempSubdirectory "mcdrl-mutations-").FullName

/// The source tree without what building it made.
let rec copyFolder (source: string) (target: string) =
    Directory.CreateDirectory target |> ignore

    for file in Directory.GetFiles source do
        File.Copy(file, Path.Combine(target, Path.GetFileName file))

    for folder in Directory.GetDirectories source do
        match Path.GetFileName folder with
        | "bin"
        | "obj"
        | ".git" -> ()
        | name -> copyFolder folder (Path.Combine(target, name))

let run (arguments: string list) =
    let info =
        ProcessStartInfo(
            "dotnet",
            arguments,
            WorkingDirectory = copy,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    // The tensors are small: more threads would only wait for each other, all the more on a busy machine.
    info.Environment["OMP_NUM_THREADS"] <- "1"
    use running = Process.Start info
    let errors = running.StandardError.ReadToEndAsync()
    let output = running.StandardOutput.ReadToEnd()
    running.WaitForExit()
    running.ExitCode, output + errors.Result

let project = "tests/Mcdrl.Model.Tests"

let build () =
    match run [ "build"; project; "-c"; "Release"; "--nologo"; "-v"; "quiet" ] with
    | 0, _ -> ()
    | _, output -> fail $"the copy does not build:\n{output}"

let test arguments =
    run (
        [
            "run"
            "--no-build"
            "-c"
            "Release"
            "--project"
            project
            "--"
            "--colours"
            "0"
        ]
        @ arguments
    )

/// The names of the laws that failed, and whether any ran at all.
let failures () =
    let _, output = test [ "--no-spinner"; "--filter-test-list"; "laws" ]

    if not (Regex.IsMatch(output, "EXPECTO! [1-9][0-9]* tests run")) then
        fail $"the laws did not run:\n{output}"

    [
        for found in Regex.Matches(output, @"ERR\] \S*Model\.laws\.(.+?) (failed|errored) in ") ->
            found.Groups[1].Value
    ]
    |> List.map (fun name -> name.Substring(max 0 (name.IndexOf("I-", StringComparison.Ordinal))))

let mutate (file: string) (text: string) (before: string, after: string) =
    match Regex.Matches(text, Regex.Escape before).Count with
    | 1 -> text.Replace(before, after)
    | count -> fail $"{file} holds this text {count} times, not once: {before}"

let outcome (mutation: Mutation) =
    let source = Path.Combine(copy, mutation.File)
    let whole = File.ReadAllText source
    File.WriteAllText(source, List.fold (mutate mutation.File) whole mutation.Changes)
    eprintfn "%s: building" mutation.Name
    build ()
    let caught = failures ()
    File.WriteAllText(source, whole)
    eprintfn "%s: caught by %d laws" mutation.Name caught.Length
    mutation.Name, caught

let table outcomes =
    [
        "| mutation | caught by |"
        "|---|---|"
        for name, caught in outcomes do
            let laws =
                if List.isEmpty caught then
                    "**nothing**"
                else
                    String.concat "<br>" caught

            $"| {name} | " + laws.Replace("|", "\\|") + " |"
    ]

let page (laws: (string * string) list) outcomes =
    let groups = laws |> List.groupBy fst

    let listed =
        [
            for group, members in groups do
                ""
                $"### {group}"
                ""

                for _, name in members do
                    $"- {name}"
        ]

    let opening =
        [
            "# Laws"
            ""
            "The causal core obeys these laws: the invariants I-1 to I-33 of the method, and I-34 and I-35, which make"
            "an intervention one. Each is a test of the product's own"
            "functions over random shapes, dictionaries, priors, networks and logits, in float64 within 1e-10 unless it says"
            "otherwise; a law that is one calculation is an example. They are in `tests/Mcdrl.Model.Tests/Laws.*.fs`. A law that"
            "fails prints the world that broke it and the line that repeats it. This page is written by"
            "`dotnet fsi scripts/mutations.fsx --record`, and a test holds it to the list of the laws."
            ""
            $"## The {laws.Length} laws, each with the cases of a run"
        ]

    let closing =
        [
            ""
            "Not asserted, since it does not hold: that attention ignores duplicates whose mass was not split; that attention"
            "equals the expectation under π (I-23 bounds the difference, I-24 shows that it can reverse a decision); that"
            "feature-mean equals exact adjustment for a head that is not affine (I-20, I-21)."
            ""
            "## Mutations"
            ""
            "Each of these makes the method wrong in one place. The laws that then fail:"
            ""
        ]

    opening @ listed @ closing @ table outcomes @ [ "" ] |> String.concat "\n"

let survivors () =
    copyFolder repository copy
    eprintfn "unchanged: building"
    build ()

    // The page is what this script writes: it is no reason to stop.
    match failures () |> List.filter (fun name -> not (name.Contains "docs/laws.md")) with
    | [] -> ()
    | names -> fail ("laws fail without any mutation: " + String.concat "; " names)

    let outcomes =
        mutations
        |> List.map outcome
        |> List.map (fun (name, caught) -> name, caught |> List.filter (fun law -> law.StartsWith "I-"))

    table outcomes |> List.iter (printfn "%s")

    if Array.contains "--record" fsi.CommandLineArgs then
        let _, listed = test [ "--list-tests" ]

        let laws =
            [
                for found in Regex.Matches(listed, @"Model\.laws\.([^.\n]+)\.(?:.*?)(I-[0-9].*?)\r?\n") ->
                    found.Groups[1].Value, found.Groups[2].Value
            ]

        let target = Path.Combine(repository, "docs", "laws.md")
        Directory.CreateDirectory(Path.Combine(repository, "docs")) |> ignore
        File.WriteAllText(target, page laws outcomes)
        eprintfn "wrote %s (%d laws)" target laws.Length

    outcomes |> List.filter (snd >> List.isEmpty)

let surviving =
    try
        survivors ()
    finally
        Directory.Delete(copy, true)

exit (if surviving.IsEmpty then 0 else 1)
