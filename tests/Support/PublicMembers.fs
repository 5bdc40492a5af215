namespace Mcdrl.Tests

open System
open System.IO
open System.Reflection
open System.Runtime.CompilerServices
open System.Xml.Linq
open Microsoft.FSharp.Reflection

/// What an F# assembly shows to others, against the documentation file beside it: modules, types, functions, values, union
/// cases, record fields, literals and members. Left out is what the compiler makes of them (a union's tags, tests and
/// constructors, a record's constructor, equality, order, `ToString`), what only does another type's contract again
/// (overrides, interface members), and a primary constructor, which has no place for a comment but its type's.
[<RequireQualifiedAccess>]
module PublicMembers =
    let private isGenerated (thing: MemberInfo) =
        thing.IsDefined(typeof<CompilerGeneratedAttribute>, false)

    let private ofMembers (shown: Type) : MemberInfo list =
        let flags =
            BindingFlags.Public
            ||| BindingFlags.Instance
            ||| BindingFlags.Static
            ||| BindingFlags.DeclaredOnly

        let properties = shown.GetProperties flags

        let accessors =
            properties |> Array.collect (fun property -> property.GetAccessors true)

        [
            for property in properties do
                if not (isGenerated property) then
                    property

            for method in shown.GetMethods flags do
                let isOwn = method.GetBaseDefinition() = method

                if isOwn && not (isGenerated method) && not (Array.contains method accessors) then
                    method

            for field in shown.GetFields flags do
                if field.IsLiteral || not field.IsSpecialName then
                    field
        ]

    let private ofUnion (union: Type) =
        let cases = FSharpType.GetUnionCases(union, true)

        let made =
            set
                [
                    "Tag"
                    for case in cases do
                        case.Name
                        $"Is{case.Name}"
                        $"New{case.Name}"
                        $"get_Is{case.Name}"
                ]

        [
            if FSharpType.IsUnion union then
                for case in cases do
                    case.Name

            for thing in ofMembers union do
                if not (made.Contains thing.Name) then
                    thing.Name
        ]

    let rec private ofType (shown: Type) : string list =
        let name = (nonNull shown.FullName).Replace('+', '.')

        let members =
            if FSharpType.IsUnion(shown, true) then ofUnion shown
            elif shown.IsEnum then List.ofArray (Enum.GetNames shown)
            elif shown.IsSubclassOf typeof<Delegate> then []
            else ofMembers shown |> List.map _.Name

        name :: (members |> List.map (fun thing -> $"{name}.{thing}"))

    /// The name in a documentation id: without the letter of its kind, its parameters and its count of type parameters.
    let private nameOf (id: string) =
        let whole = id.Substring 2
        let bare = whole.Split('(')[0]

        match bare.IndexOf "``" with
        | -1 -> bare
        | start -> bare.Substring(0, start)

    /// The documented names and how many members of each name are.
    let private documented (file: string) : Map<string, int> =
        XDocument.Load(file).Descendants(XName.Get "member")
        |> Seq.filter (fun entry -> not (String.IsNullOrWhiteSpace entry.Value))
        |> Seq.countBy (fun entry -> nameOf (nonNull (entry.Attribute(XName.Get "name"))).Value)
        |> Map.ofSeq

    /// The names of the public members of an assembly, and of those among them without documentation.
    let ofAssembly (assembly: Assembly) : string list * string list =
        let documented =
            documented (nonNull (Path.ChangeExtension(assembly.Location, ".xml")))

        let isCaseOfUnion (shown: Type) =
            match shown.DeclaringType with
            | null -> false
            | outer -> FSharpType.IsUnion(outer, true)

        let shown =
            [
                for shown in assembly.GetExportedTypes() do
                    if not (isGenerated shown || isCaseOfUnion shown) then
                        yield! ofType shown
            ]

        let missing =
            [
                for name, count in List.countBy id shown do
                    let comments = documented.TryFind name |> Option.defaultValue 0

                    for _ in comments + 1 .. count do
                        name
            ]

        shown, missing
