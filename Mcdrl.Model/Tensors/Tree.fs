namespace Mcdrl

open System
open System.Collections.Generic
open FSharp.Reflection

/// Walks records of tensors. A leaf is a `Tensor`; its path is the chain of field names and list positions
/// (`layers.0.attn.in_proj_weight`), which is also its name in a weights file and in every error. Records,
/// lists and options are entered; a union is transparent; anything else is a constant and kept as it is.
[<RequireQualifiedAccess>]
module Tree =
    let private isGeneric (definition: Type) (kind: Type) =
        kind.IsGenericType && kind.GetGenericTypeDefinition() = definition

    let private join path name =
        if path = "" then name else $"{path}.{name}"

    let rec private walk
        (visit: string -> Tensor -> Tensor)
        (path: string)
        (kind: Type)
        (value: objnull)
        : objnull =
        let inside (fields: Reflection.PropertyInfo array) nameOf =
            fields
            |> Array.map (fun field -> walk visit (nameOf field) field.PropertyType (field.GetValue value))

        match value with
        | null -> null
        | :? Tensor as leaf -> box (visit path leaf)
        | _ when FSharpType.IsRecord(kind, true) ->
            FSharpValue.MakeRecord(
                kind,
                inside (FSharpType.GetRecordFields(kind, true)) (fun field -> join path field.Name),
                true
            )
        | _ when isGeneric typedefof<list<_>> kind ->
            let item = kind.GetGenericArguments()[0]
            let empty, cons = (let cases = FSharpType.GetUnionCases kind in cases[0], cases[1])

            let items =
                [|
                    for index, item' in
                        Seq.indexed (Seq.cast<objnull>(nonNull value :?> Collections.IEnumerable)) ->
                        walk visit (join path (string index)) item item'
                |]

            Array.foldBack
                (fun item (tail: objnull) -> FSharpValue.MakeUnion(cons, [| item; tail |]))
                items
                (FSharpValue.MakeUnion(empty, [||]))
        | _ when FSharpType.IsUnion(kind, true) ->
            let case, _ = FSharpValue.GetUnionFields(value, kind, true)
            FSharpValue.MakeUnion(case, inside (case.GetFields()) (fun _ -> path), true)
        | constant -> constant

    /// The same structure with every leaf replaced by `f path leaf`, in depth-first field order.
    let mapi (f: string -> Tensor -> Tensor) (tree: 'T) : 'T =
        walk f "" typeof<'T> (box tree) |> unbox<'T>

    /// The same structure with every leaf replaced by `f leaf`.
    let map (f: Tensor -> Tensor) tree = mapi (fun _ leaf -> f leaf) tree

    /// Paths and leaves, depth first in field order.
    let leaves (tree: 'T) : (string * Tensor) list =
        let found = List()

        tree
        |> mapi (fun path leaf ->
            found.Add(path, leaf)
            leaf)
        |> ignore

        List.ofSeq found

    /// The leaves without their paths.
    let tensors tree = leaves tree |> List.map snd

    /// The number of weights in all leaves.
    let count tree =
        tree |> tensors |> List.sumBy (fun leaf -> leaf.numel ())

    /// How many names of each kind an error lists: all that any architecture has.
    let private mostNamed = 2000

    /// `template` with every leaf replaced by the tensor of that name in `source`. Leaves keep the source's
    /// tensors when the element types agree and are widened or narrowed to the template's otherwise, floating point to floating point and
    /// whole numbers to whole numbers. Missing,
    /// unexpected and mismatching names are reported together, as one `Model` fault about `origin`.
    let load
        (origin: string)
        (template: 'T)
        (source: IReadOnlyDictionary<string, Tensor>)
        : Result<'T, McdrlError> =
        let wanted = leaves template |> dict

        let missing =
            [
                for name in wanted.Keys do
                    if not (source.ContainsKey name) then
                        name
            ]

        let unexpected =
            [
                for name in source.Keys do
                    if not (wanted.ContainsKey name) then
                        name
            ]

        let mismatching =
            [
                for KeyValue(name, expected) in wanted do
                    match source.TryGetValue name with
                    | true, found when found.shape <> expected.shape ->
                        $"{name} is {shapeText found.shape} instead of {shapeText expected.shape}"
                    | _ -> ()
            ]

        let foreign =
            [
                for KeyValue(name, expected) in wanted do
                    match source.TryGetValue name with
                    | true, found when found.is_floating_point () <> expected.is_floating_point () ->
                        $"{name} is {found.dtype} instead of {expected.dtype}"
                    | _ -> ()
            ]

        let section title names =
            if List.isEmpty names then
                []
            else
                let listed = names |> List.truncate mostNamed |> String.concat "; "
                let more = if List.length names > mostNamed then "; …" else ""
                [ $"{title} ({List.length names}): {listed}{more}" ]

        match
            section "missing tensors" missing
            @ section "unexpected tensors" unexpected
            @ section "wrong shapes" mismatching
            @ section "wrong element types" foreign
        with
        | [] ->
            template
            |> mapi (fun name expected ->
                let found = source[name]

                if found.dtype = expected.dtype then
                    found
                else
                    found.``to`` expected.dtype)
            |> Ok
        | faults ->
            Error(
                McdrlError.model
                    (String.concat ". " faults)
                    origin
                    "Use a file written for this architecture and configuration"
            )

    /// `load` into a template that is then freed. No scope does that: it would also free leaves that loading converts.
    let fill (origin: string) (template: 'T) (source: IReadOnlyDictionary<string, Tensor>) =
        let loaded = load origin template source
        tensors template |> List.iter _.Dispose()
        loaded
