// Programs that the build starts, and the packages that it needs. Loaded by build.fsx.
open System
open System.Diagnostics
open System.IO
open System.Security.Cryptography

/// The repository.
let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, "..", ".."))

let fail message =
    eprintfn "%s" message
    exit 1

/// Deletes a folder of the repository if it is there.
let remove (folder: string) =
    let path = Path.Combine(root, folder)

    if Directory.Exists path then
        Directory.Delete(path, true)

/// Compilers and tests end before it pays to count what their code does: without it a compilation takes four fifths of the time.
let brief = "DOTNET_TieredPGO", "0"

let start (name: string) (arguments: string list) quiet =
    let info =
        ProcessStartInfo(
            name,
            arguments,
            WorkingDirectory = root,
            RedirectStandardOutput = quiet,
            RedirectStandardError = quiet
        )

    info.Environment["DOTNET_NOLOGO"] <- "1"
    info.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] <- "1"

    if quiet then
        info.Environment[fst brief] <- snd brief

    Process.Start info

/// Runs a program with its output shown; stops the build if it fails.
let run name arguments =
    use child = start name arguments false
    child.WaitForExit()

    if child.ExitCode <> 0 then
        let line = String.concat " " (name :: arguments)
        fail $"`{line}` ended with exit code {child.ExitCode}."

/// Runs a program and returns its exit code and all it printed.
let capture name arguments =
    use child = start name arguments true
    let errors = child.StandardError.ReadToEndAsync()
    let output = child.StandardOutput.ReadToEnd()
    child.WaitForExit()
    child.ExitCode, output + errors.Result

/// Runs a program silently; shows its output only if it fails, and then stops the build.
let quietly what name arguments =
    let clock = Stopwatch.StartNew()
    let code, output = capture name arguments

    if code <> 0 then
        fail $"{what} failed:\n{output}"

    printfn $"{what}: {clock.Elapsed.TotalSeconds:F0} s"

/// Paket gets the feed from here, so that the repository names none.
let useFeed () =
    if String.IsNullOrEmpty(Environment.GetEnvironmentVariable "NUGET_FEED") then
        let _, output = capture "dotnet" [ "nuget"; "list"; "source"; "--format"; "short" ]

        match output.Split '\n' |> Array.tryFind _.StartsWith("E ") with
        | Some line -> Environment.SetEnvironmentVariable("NUGET_FEED", line.Substring(2).Trim())
        | None -> fail "No NuGet source is enabled (`dotnet nuget list source`), and NUGET_FEED is not set."

let private framework = "net10.0"

/// Tells Paket's targets for which lock a project was restored, as they write it down themselves after they have started Paket for one
/// project. A project whose files are older than the lock they leave to Paket.
let private markRestored () =
    let locked = Path.Combine(root, "paket.lock")
    let hash = Convert.ToHexString(SHA256.HashData(File.ReadAllBytes locked))

    for project in Directory.GetFiles(root, "*.??proj", SearchOption.AllDirectories) do
        let inside ending =
            Path.Combine(Path.GetDirectoryName project, "obj", Path.GetFileName project + ending)

        let resolved = inside $".{framework}.paket.resolved"

        if
            File.Exists resolved
            && File.GetLastWriteTimeUtc resolved > File.GetLastWriteTimeUtc locked
        then
            File.WriteAllText(inside ".paket.lock.hash", hash)

/// For all projects at once: by itself a build would start Paket for each.
let restore () =
    useFeed ()
    quietly "Restore of the tools" "dotnet" [ "tool"; "restore" ]
    quietly "Restore of the packages" "dotnet" [ "paket"; "restore"; "--target-framework"; framework ]
    markRestored ()

/// No build server stays behind: it would keep the output of whoever called this script open. Paket restores all projects
/// before a build, in `restore`; by itself it would look for changes again in each of them.
let alone =
    [
        "-nodeReuse:false"
        "-p:UseSharedCompilation=false"
        "-p:PaketDisableGlobalRestore=true"
    ]

/// What compiles a project or the solution, and says nothing but what is wrong.
let compiling project configuration =
    [ "build"; project; "-c"; configuration ]
    @ [ "-v"; "quiet"; "-nologo"; "-tl:off"; "-clp:NoSummary" ]
    @ alone
