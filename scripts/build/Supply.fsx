// What Mcdrl is built of: which packages, by which bytes, under which licences, with which known holes. Loaded by build.fsx.
#load "Processes.fsx"

open System
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open System.Xml.Linq
open Processes

/// Licences that ask for no more than that they and the copyright are passed on.
let accepted = set [ "MIT"; "Apache-2.0"; "BSD-2-Clause"; "BSD-3-Clause"; "MS-PL" ]

/// What tests alone may be under besides: nobody is handed these packages.
let acceptedInTests = accepted + set [ "MPL-2.0" ]

/// What those packages say that name no licence by its identifier but carry a text, or the address of one; read by a person.
let readByHand =
    Map
        [
            "BitMiracle.LibTiff.NET", "BSD-3-Clause"
            "CommandLineParser", "MIT"
            "Fable.Core", "MIT"
            "FsToolkit.ErrorHandling", "MIT"
            "Gee.External.Capstone", "MIT"
            "Microsoft.DotNet.PlatformAbstractions", "MIT"
            "Microsoft.ML.OnnxRuntime", "MIT"
            "Microsoft.ML.OnnxRuntime.Managed", "MIT"
            "Microsoft.NETCore.Platforms", "MIT"
        ]

type Package =
    {
        Group: string
        Name: string
        Version: string
        Needs: string list
    }

let key (name: string) = name.ToLowerInvariant()

/// The lock leaves out zeros at a version's end.
let private threeParts (version: string) =
    let parts = version.Split '.'

    if version.Contains '-' || parts.Length >= 3 then
        version
    else
        String.concat "." (Array.append parts (Array.create (3 - parts.Length) "0"))

/// All packages of the lock.
let closure () : Package list =
    let line = Regex @"^(?:GROUP (\S+)|    (\S+) \(([^)]+)\).*|      (\S+).*)$"

    ((("Main", []): string * Package list), File.ReadAllLines(Path.Combine(root, "paket.lock")))
    ||> Array.fold (fun (group, packages) text ->
        let found = line.Match text
        let part (number: int) = found.Groups[number].Value

        if part 1 <> "" then
            part 1, packages
        elif part 2 <> "" then
            group,
            {
                Group = group
                Name = part 2
                Version = threeParts (part 3)
                Needs = []
            }
            :: packages
        elif part 4 <> "" then
            let last = packages.Head

            group,
            { last with
                Needs = last.Needs @ [ part 4 ]
            }
            :: packages.Tail
        else
            group, packages)
    |> snd
    |> List.rev

/// Those that projects which are handed out name, with all that these need.
let shipped (packages: Package list) =
    let main =
        packages
        |> List.filter (fun package -> package.Group = "Main")
        |> List.map (fun package -> key package.Name, package)
        |> Map

    let named =
        Directory.GetDirectories(root, "Mcdrl.*")
        |> Array.map (fun project -> Path.Combine(project, "paket.references"))
        |> Array.filter File.Exists
        |> Array.collect File.ReadAllLines
        |> Array.map (fun line -> key (line.Trim().Split(' ')[0]))
        // It looks at sources while they are compiled.
        |> Array.filter (fun name -> name <> "" && name <> key "Microsoft.CodeAnalysis.PublicApiAnalyzers")

    let rec reach (found: Map<string, Package>) name =
        if found.ContainsKey name then
            found
        else
            let package = main[name]
            package.Needs |> List.map key |> List.fold reach (found.Add(name, package))

    named |> Array.fold reach Map.empty |> Map.toList |> List.map snd

/// Where the package lies after a restore.
let folderOf package =
    let cache =
        match Environment.GetEnvironmentVariable "NUGET_PACKAGES" with
        | null
        | "" ->
            Path.Combine(
                Environment.GetFolderPath Environment.SpecialFolder.UserProfile,
                ".nuget",
                "packages"
            )
        | given -> given

    Path.Combine(cache, key package.Name, package.Version.ToLowerInvariant())

type Facts =
    {
        Package: Package
        /// The licence's SPDX identifier; what it says instead where it has none that is known.
        Licence: string
        Copyright: string
        Address: string
        /// Base64 sha512 of the package as it was downloaded.
        Sha512: string
        /// Files in which the package passes on licences and notices.
        Notices: string list
    }

let private isNotice (path: string) =
    Regex.IsMatch(Path.GetFileName path, "^(licen[cs]e|third-?party)", RegexOptions.IgnoreCase)

let private factsOf package : Result<Facts, string> =
    let folder = folderOf package
    let inside ending = Path.Combine(folder, ending)
    let nuspec = inside $"{key package.Name}.nuspec"

    if not (File.Exists nuspec) then
        Error $"{package.Name} {package.Version} is not restored: {folder}"
    else
        let all = XDocument.Load(nuspec).Descendants()

        let text name =
            all
            |> Seq.tryFind (fun (element: XElement) -> element.Name.LocalName = name)
            |> Option.map _.Value.Trim()
            |> Option.defaultValue ""

        let authors = text "authors"

        let isExpression =
            all
            |> Seq.exists (fun (element: XElement) ->
                element.Name.LocalName = "license"
                && element.Attributes() |> Seq.exists (fun kind -> kind.Value = "expression"))

        Ok
            {
                Package = package
                Licence =
                    if isExpression then
                        text "license"
                    else
                        readByHand
                        |> Map.tryFind package.Name
                        |> Option.defaultWith (fun () ->
                            let said, address = text "license", text "licenseUrl"
                            $"unknown: {said} {address}")
                Copyright =
                    match text "copyright" with
                    | "" -> authors
                    | notice -> notice + $" ({authors})"
                Address = text "projectUrl"
                Sha512 =
                    (File.ReadAllText(
                        inside $"{key package.Name}.{package.Version.ToLowerInvariant()}.nupkg.sha512"
                    ))
                        .Trim()
                Notices = Directory.GetFiles folder |> Array.filter isNotice |> Array.sort |> List.ofArray
            }

let private facts packages =
    let found = packages |> List.map factsOf

    [
        for one in found do
            match one with
            | Ok facts -> facts
            | Error _ -> ()
    ],
    [
        for one in found do
            match one with
            | Ok _ -> ()
            | Error complaint -> complaint
    ]

let private hashesPath = Path.Combine(root, "paket.sha512")

/// The lock's other half: what each package's bytes are, which the lock doesn't say.
let private hashesText (known: Facts list) =
    known
    |> List.map (fun facts -> $"{facts.Sha512}  {facts.Package.Name} {facts.Package.Version}")
    |> List.distinct
    |> List.sortWith (fun one other -> String.CompareOrdinal(one.Split("  ")[1], other.Split("  ")[1]))
    |> fun lines -> String.concat "\n" lines + "\n"

let private noticesPath = Path.Combine(root, "THIRD-PARTY-NOTICES.txt")

/// Who made what is handed out with Mcdrl, and under which licences.
let private noticesText (known: Facts list) =
    let licence (name: string) =
        File.ReadAllText(Path.Combine(root, "scripts", "build", "licences", $"{name}.txt")).Trim('\n', '\r')

    let rule = String('=', 80)

    [
        "Third-party notices"
        ""
        "Mcdrl is handed out with, or loads, the packages below, each under its own licence. The licences' texts follow. What a package"
        "says of the parts that it contains itself lies in the package, in the files named here; `build.fsx slim` puts them beside the command."
        ""
        for facts in known do
            $"{facts.Package.Name} {facts.Package.Version}"
            $"  Licence: {facts.Licence}"
            $"  Copyright: {facts.Copyright}"

            if facts.Address <> "" then
                $"  {facts.Address}"

            for file in facts.Notices do
                $"  In the package: {Path.GetFileName file}"

            ""
        "DejaVu Sans (in Mcdrl.Core)"
        "  Licence: Bitstream Vera, with changes by DejaVu in the public domain; its text is the last one below"
        ""
        for name in known |> List.map _.Licence |> List.distinct |> List.sort do
            rule
            name
            rule
            ""
            licence name
            ""
        rule
        "DejaVu Sans"
        rule
        ""
        File.ReadAllText(Path.Combine(root, "Mcdrl.Core", "Drawing", "fonts", "LICENCE.txt")).Trim('\n', '\r')
    ]
    |> String.concat "\n"
    |> fun text -> text.Replace("\r", "") + "\n"

/// The third-party notices, and what packages say of the parts in them, into a folder with binaries of theirs.
let copyNotices (folder: string) =
    let known, _ = closure () |> shipped |> facts
    File.Copy(noticesPath, Path.Combine(folder, Path.GetFileName noticesPath), true)

    for facts in known do
        for file in facts.Notices do
            let target = Path.Combine(folder, "notices", facts.Package.Name)
            Directory.CreateDirectory target |> ignore
            File.Copy(file, Path.Combine(target, Path.GetFileName file), true)

/// The software bill of materials, CycloneDX 1.5: the same packages give the same bytes.
let private billOfMaterials (version: string) (known: Facts list) =
    use memory = new MemoryStream()
    use json = new Utf8JsonWriter(memory, JsonWriterOptions(Indented = true))

    let address (package: Package) =
        $"pkg:nuget/{package.Name}@{package.Version}"

    let text (name: string) (value: string) = json.WriteString(name, value)

    let object (name: string) write =
        if name = "" then
            json.WriteStartObject()
        else
            json.WriteStartObject name

        write ()
        json.WriteEndObject()

    let list (name: string) write =
        json.WriteStartArray name
        write ()
        json.WriteEndArray()

    let byName =
        known |> List.map (fun facts -> key facts.Package.Name, facts.Package) |> Map

    object "" (fun () ->
        text "bomFormat" "CycloneDX"
        text "specVersion" "1.5"
        json.WriteNumber("version", 1)

        object "metadata" (fun () ->
            object "component" (fun () ->
                text "type" "application"
                text "bom-ref" "mcdrl"
                text "name" "Mcdrl"
                text "version" version

                list "licenses" (fun () ->
                    object "" (fun () -> object "license" (fun () -> text "id" "MIT")))))

        list "components" (fun () ->
            for facts in known do
                object "" (fun () ->
                    text "type" "library"
                    text "bom-ref" (address facts.Package)
                    text "name" facts.Package.Name
                    text "version" facts.Package.Version

                    list "hashes" (fun () ->
                        object "" (fun () ->
                            text "alg" "SHA-512"

                            text
                                "content"
                                (Convert.FromBase64String facts.Sha512 |> Convert.ToHexStringLower)))

                    list "licenses" (fun () ->
                        object "" (fun () -> object "license" (fun () -> text "id" facts.Licence)))

                    text "copyright" facts.Copyright
                    text "purl" (address facts.Package)))

        list "dependencies" (fun () ->
            for facts in known do
                object "" (fun () ->
                    text "ref" (address facts.Package)

                    list "dependsOn" (fun () ->
                        for name in facts.Package.Needs do
                            json.WriteStringValue(address byName[key name])))))

    json.Flush()
    Text.Encoding.UTF8.GetString(memory.ToArray()) + "\n"

let private version () =
    XDocument.Load(Path.Combine(root, "Directory.Build.props")).Descendants "Version"
    |> Seq.head
    |> _.Value

/// Writes the bill of materials beside what is handed out.
let writeBill (folder: string) =
    let known, complaints = closure () |> shipped |> facts

    if not complaints.IsEmpty then
        fail (String.concat "\n" complaints)

    let path = Path.Combine(root, folder, "mcdrl.cdx.json")
    Directory.CreateDirectory(Path.Combine(root, folder)) |> ignore
    File.WriteAllText(path, billOfMaterials (version ()) known)
    printfn $"{folder}/mcdrl.cdx.json names {known.Length} packages."

/// Writes anew what this repository holds of the packages' bytes and licences; whoever changes the lock looks at the difference.
let recordSupply () =
    let packages = closure ()
    let known, complaints = facts packages

    if not complaints.IsEmpty then
        fail (String.concat "\n" complaints)

    File.WriteAllText(hashesPath, hashesText known)
    File.WriteAllText(noticesPath, packages |> shipped |> facts |> fst |> noticesText)

/// The lock fits what is asked for; each package has the bytes that were recorded and a licence of the list; the notices are those
/// of the packages.
let supplyComplaints () : string list =
    let packages = closure ()
    let known, missing = facts packages

    let same (path: string) text =
        File.Exists path && File.ReadAllText path = text

    [
        match capture "dotnet" [ "paket"; "restore"; "--fail-on-checks" ] with
        | 0, _ -> ()
        | _, output -> $"paket.lock is not what paket.dependencies asks for:\n{output}"

        yield! missing

        if missing.IsEmpty then
            if not (same hashesPath (hashesText known)) then
                let recorded =
                    if File.Exists hashesPath then
                        set (File.ReadAllLines hashesPath)
                    else
                        Set.empty

                for line in (hashesText known).TrimEnd().Split '\n' do
                    if not (recorded.Contains line) then
                        let package = line.Split("  ")[1]
                        $"{package}: its bytes are not those in paket.sha512"

                "paket.sha512 is not that of paket.lock: look why, then `dotnet fsi build.fsx supply --record`"

            let handedOut = packages |> shipped |> List.map _.Name |> Set

            for facts in known do
                let allowed =
                    if handedOut.Contains facts.Package.Name then
                        accepted
                    else
                        acceptedInTests

                if not (allowed.Contains facts.Licence) then
                    $"{facts.Package.Name} {facts.Package.Version}: the licence is not on the list: {facts.Licence}"

            if not (same noticesPath (packages |> shipped |> facts |> fst |> noticesText)) then
                "THIRD-PARTY-NOTICES.txt is not that of the packages: `dotnet fsi build.fsx supply --record`"
    ]

/// Known vulnerabilities of what the command is made of, as far as the feed tells. `Error` says why it can't be known here.
let vulnerabilities () : Result<string list, string> =
    let code, output =
        capture
            "dotnet"
            [
                "list"
                "Mcdrl.Cli"
                "package"
                "--vulnerable"
                "--include-transitive"
                "--format"
                "json"
            ]

    try
        use document = JsonDocument.Parse(output.Substring(max 0 (output.IndexOf '{')))

        let rec found (element: JsonElement) : string list =
            [
                match element.ValueKind with
                | JsonValueKind.Object ->
                    match element.TryGetProperty "vulnerabilities", element.TryGetProperty "id" with
                    | (true, holes), (true, name) -> $"{name}: {holes.GetRawText()}"
                    | _ ->
                        for field in element.EnumerateObject() do
                            yield! found field.Value
                | JsonValueKind.Array ->
                    for item in element.EnumerateArray() do
                        yield! found item
                | _ -> ()
            ]

        match document.RootElement.TryGetProperty "problems" with
        | true, problems -> Error(problems.GetRawText())
        | false, _ when code <> 0 -> Error output
        | false, _ -> Ok(found document.RootElement)
    with
    | :? JsonException
    | :? ArgumentException -> Error output
