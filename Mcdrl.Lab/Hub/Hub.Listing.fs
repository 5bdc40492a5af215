namespace Mcdrl

open System
open System.IO
open System.Text.Json
open FsToolkit.ErrorHandling

/// What a hub says that a file's bytes hash to.
[<RequireQualifiedAccess>]
type HubDigest =
    /// Lower-case hexadecimal sha256 of the content: of files in Git LFS.
    | Sha256 of string
    /// Lower-case hexadecimal sha1 of the content as a git blob: of all others.
    | GitBlob of string

/// A file that a hub offers.
type HubFile =
    {
        /// Its name at the top of the repository.
        Name: string
        /// Bytes.
        Size: int64
        /// What they hash to.
        Digest: HubDigest
    }

/// What a repository holds in one state.
type HubListing =
    {
        /// The commit that it is a state of, 40 hexadecimal digits.
        Commit: string
        /// The files at its top whose sizes and digests are stated.
        Files: HubFile list
    }

/// Reads what a hub in Hugging Face's layout lists (`/api/models/REPOSITORY/revision/REVISION?blobs=true`), and chooses of it.
[<RequireQualifiedAccess>]
module HubListing =
    let private refuse where what =
        McdrlError.data
            $"this is no listing of a repository: {what}"
            where
            "Check the hub's address and the repository's name"

    let private isHexadecimal length (text: string) =
        text.Length = length && text |> Seq.forall Char.IsAsciiHexDigitLower

    /// A name that can only be a file in the folder that it is put into.
    let private isPlain (name: string) =
        name <> "" && not (name.StartsWith '.') && FileName.ofText name = name

    let private text (name: string) (element: JsonElement) =
        match element.TryGetProperty name with
        | true, value when value.ValueKind = JsonValueKind.String -> Option.ofObj (value.GetString())
        | _ -> None

    let private size (element: JsonElement) =
        match element.TryGetProperty "size" with
        | true, value when value.ValueKind = JsonValueKind.Number ->
            match value.TryGetInt64() with
            | true, size when size >= 0L -> Some size
            | _ -> None
        | _ -> None

    let private digest (element: JsonElement) =
        let large =
            match element.TryGetProperty "lfs" with
            | true, lfs when lfs.ValueKind = JsonValueKind.Object -> text "sha256" lfs
            | _ -> None

        match large, text "blobId" element with
        | Some sha256, _ when isHexadecimal 64 sha256 -> Some(HubDigest.Sha256 sha256)
        | None, Some blob when isHexadecimal 40 blob -> Some(HubDigest.GitBlob blob)
        | _ -> None

    let private file (element: JsonElement) : HubFile option =
        match text "rfilename" element, size element, digest element with
        | Some name, Some size, Some digest when isPlain name ->
            Some
                {
                    Name = name
                    Size = size
                    Digest = digest
                }
        | _ -> None

    /// The listing that a hub answered; `where` names it in errors, which are `Data` errors.
    let parse (where: string) (answer: byte[]) : Result<HubListing, McdrlError> =
        StrangerJson.read StrangerJson.standard (refuse where) (ReadOnlyMemory answer) (fun root ->
            result {
                let! commit =
                    text "sha" root
                    |> Option.filter (isHexadecimal 40)
                    |> Result.requireSome (refuse where "it names no commit")

                return
                    {
                        Commit = commit
                        Files =
                            root.GetProperty("siblings").EnumerateArray() |> Seq.choose file |> List.ofSeq
                    }
            })

    /// Names of weights, best first.
    let private weights = [ "open_clip_model.safetensors"; "model.safetensors" ]

    /// What is read beside weights, and what says whose they are.
    let private companions =
        [
            "config.json"
            "open_clip_config.json"
            "bpe_simple_vocab_16e6.txt.gz"
            "vocab.json"
            "merges.txt"
            "vocab.txt"
            "tokenizer_config.json"
            "README.md"
            "LICENSE"
        ]

    let private isWeights (file: HubFile) =
        file.Name.EndsWith(".safetensors", StringComparison.Ordinal)

    /// The weights of a listing, and the files that are read beside them: the smaller ones first. `asked` names the weights where there
    /// are several.
    let choose where (asked: string option) (listing: HubListing) : Result<HubFile list, McdrlError> =
        let named name =
            listing.Files |> List.tryFind (fun file -> file.Name = name)

        let candidates = listing.Files |> List.filter isWeights
        let listed = candidates |> List.map _.Name |> String.concat ", "

        let chosen =
            match asked, List.tryPick named weights, candidates with
            | Some name, _, _ ->
                named name
                |> Result.requireSome (
                    McdrlError.usage
                        $"the repository has no file {name} at its top; its weights: {listed}"
                        where
                        "Name one of them with “file”"
                )
            | None, Some usual, _ -> Ok usual
            | None, None, [ only ] -> Ok only
            | None, None, [] ->
                Error(
                    McdrlError.data
                        "the repository has no safetensors file, and pickles are never read"
                        where
                        "Use a repository that publishes safetensors"
                )
            | None, None, _ ->
                Error(
                    McdrlError.usage
                        $"the repository has several weights: {listed}"
                        where
                        "Name one with “file”"
                )

        chosen
        |> Result.map (fun weights ->
            List.choose named companions
            |> List.sortBy _.Size
            |> fun beside -> beside @ [ weights ])
