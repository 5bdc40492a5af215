// The NuGet packages, as their consumers get them. Loaded by build.fsx.
#load "Building.fsx" "Supply.fsx"

open System
open System.IO
open System.IO.Compression
open System.Reflection
open System.Reflection.Metadata
open System.Reflection.PortableExecutable
open System.Xml.Linq
open Processes
open Building
open Supply

/// Names that nobody outside an assembly can use: types, and members of which none of that name is for others. In the form that
/// documentation has, without kinds and parameters.
let private hidden (assembly: byte array) : Set<string> =
    use image = new PEReader(new MemoryStream(assembly))
    let reader = image.GetMetadataReader()

    let rec isVisible (handle: TypeDefinitionHandle) =
        let definition = reader.GetTypeDefinition handle

        match definition.Attributes &&& TypeAttributes.VisibilityMask with
        | TypeAttributes.Public -> true
        | TypeAttributes.NestedPublic
        | TypeAttributes.NestedFamily
        | TypeAttributes.NestedFamORAssem -> isVisible (definition.GetDeclaringType())
        | _ -> false

    let rec nameOf (handle: TypeDefinitionHandle) =
        let definition = reader.GetTypeDefinition handle
        let own = reader.GetString definition.Name

        if definition.GetDeclaringType().IsNil then
            match reader.GetString definition.Namespace with
            | "" -> own
            | space -> $"{space}.{own}"
        else
            $"{nameOf (definition.GetDeclaringType())}.{own}"

    /// Each member's name, and whether others see it.
    let members (handle: TypeDefinitionHandle) =
        let definition = reader.GetTypeDefinition handle

        let isOpen (attributes: MethodAttributes) =
            match attributes &&& MethodAttributes.MemberAccessMask with
            | MethodAttributes.Public
            | MethodAttributes.Family
            | MethodAttributes.FamORAssem -> true
            | _ -> false

        let accessor (method: MethodDefinitionHandle) =
            not method.IsNil && isOpen (reader.GetMethodDefinition method).Attributes

        [
            for method in definition.GetMethods() do
                let method = reader.GetMethodDefinition method
                reader.GetString(method.Name).Replace('.', '#'), isOpen method.Attributes

            for field in definition.GetFields() do
                let field = reader.GetFieldDefinition field

                let isOpen =
                    match field.Attributes &&& FieldAttributes.FieldAccessMask with
                    | FieldAttributes.Public
                    | FieldAttributes.Family
                    | FieldAttributes.FamORAssem -> true
                    | _ -> false

                reader.GetString field.Name, isOpen

            for property in definition.GetProperties() do
                let property = reader.GetPropertyDefinition property
                let accessors = property.GetAccessors()
                reader.GetString property.Name, accessor accessors.Getter || accessor accessors.Setter
        ]

    set
        [
            for handle in reader.TypeDefinitions do
                let name = nameOf handle

                if not (isVisible handle) then
                    name
                else
                    for one, all in members handle |> List.groupBy fst do
                        if not (List.exists snd all) then
                            $"{name}.{one}"
        ]

/// The documentation without what nobody outside can use.
let private publicPart (assembly: byte array) (documentation: Stream) : XDocument =
    let hidden = hidden assembly
    let document = XDocument.Load documentation

    /// `M:A.B.f``1(System.Int32)` is of A.B.f, of A.B, of A.
    let rec isHidden (name: string) =
        name <> ""
        && (hidden.Contains name
            || match name.LastIndexOf '.' with
               | -1 -> false
               | at -> isHidden (name.Substring(0, at)))

    for one in document.Descendants "member" |> List.ofSeq do
        match one.Attribute "name" with
        | null -> ()
        | name ->
            let plain = name.Value.Split('(')[0]
            let plain = plain.Substring(plain.IndexOf ':' + 1)
            let generic = plain.IndexOf "``"

            if isHidden (if generic < 0 then plain else plain.Substring(0, generic)) then
                one.Remove()

    document

let private bytesOf (entry: ZipArchiveEntry) =
    use stream = entry.Open()
    use memory = new MemoryStream()
    stream.CopyTo memory
    memory.ToArray()

/// Takes what is internal out of a package's documentation.
let private onlyPublicDocumentation (path: string) =
    use package = ZipFile.Open(path, ZipArchiveMode.Update)

    for entry in package.Entries |> List.ofSeq do
        let assembly =
            package.GetEntry(Path.ChangeExtension(entry.FullName, ".dll")) |> Option.ofObj

        match assembly with
        | Some assembly when entry.FullName.StartsWith "lib/" && entry.Name.EndsWith ".xml" ->
            let document =
                use old = new MemoryStream(bytesOf entry)
                publicPart (bytesOf assembly) old

            let name = entry.FullName
            entry.Delete()
            use written = package.CreateEntry(name).Open()
            document.Save written
        | _ -> ()

/// Adds the notices of what is handed out to a package that contains it.
let private passNoticesOn (path: string) =
    let folder = Directory.CreateTempSubdirectory("mcdrl-notices-").FullName

    try
        copyNotices folder
        use package = ZipFile.Open(path, ZipArchiveMode.Update)

        for file in Directory.GetFiles(folder, "*", SearchOption.AllDirectories) |> Array.sort do
            package.CreateEntryFromFile(file, Path.GetRelativePath(folder, file)) |> ignore
    finally
        Directory.Delete(folder, true)

/// Packs what is built into a folder.
let packBuilt (folder: string) =
    let folder = Path.GetFullPath(folder, root)
    Directory.CreateDirectory folder |> ignore

    for old in Directory.GetFiles(folder, "Mcdrl*.*nupkg") do
        File.Delete old

    quietly
        "Packages"
        "dotnet"
        ([
            "msbuild"
            "scripts/build/packages.proj"
            $"-p:Out={folder}"
            "-m:2"
            "-v:quiet"
            "-nologo"
            "-tl:off"
         ]
         @ alone)

    for package in Directory.GetFiles(folder, "*.nupkg") do
        onlyPublicDocumentation package

        if Path.GetFileName(package).StartsWith "Mcdrl.Tool." then
            passNoticesOn package

let pack () =
    build ()
    packBuilt "out/packages"
    writeBill "out/packages"
    printfn "The packages are in out/packages."
