namespace Mcdrl

open System
open System.Collections.Generic
open System.IO
open System.Runtime.InteropServices
open System.Security.Cryptography

/// Where a bundle's files are read from.
[<NoComparison; NoEquality>]
type internal BundleFiles =
    {
        /// What messages call it: the folder, or in words what it is.
        Place: string
        /// Whether there is a file of this name.
        Has: string -> bool
        /// All bytes of a file that has no more than so many.
        Bytes: int64 -> string -> Result<byte[], McdrlError>
        /// Tensors of a file, with the sha256 of the bytes that they were read from.
        Tensors: SafetensorsOptions -> string -> Result<SafetensorsContent * string, McdrlError>
        /// Digest of a file.
        Sha256: string -> Result<string, McdrlError>
        /// Whether another model has taken this one's place since this value was made.
        IsReplaced: unit -> bool
    }

    /// What messages call a file.
    member this.Path(name: string) = Path.Combine(this.Place, name)

/// A folder, or memory.
[<RequireQualifiedAccess>]
module internal BundleFiles =
    let manifestName = "mcdrl.json"

    let inFolder (folder: string) : BundleFiles =
        let at (name: string) = Path.Combine(folder, name)

        // A model takes another's place as a folder, or with a manifest written anew.
        let stamp () =
            [ folder; at manifestName ]
            |> List.map (fun path ->
                FileIdentity.ofPath path
                |> Option.map (fun file -> file, File.GetLastWriteTimeUtc path))

        let before = stamp ()

        {
            Place = folder
            Has = at >> File.Exists
            Bytes = fun most name -> Files.read most (at name)
            Tensors = fun options name -> Safetensors.readDigested options (at name)
            Sha256 = at >> Files.sha256
            IsReplaced = fun () -> stamp () <> before
        }

    let inMemory (place: string) (files: IReadOnlyDictionary<string, ReadOnlyMemory<byte>>) : BundleFiles =
        let streamOf (content: ReadOnlyMemory<byte>) : Stream =
            match MemoryMarshal.TryGetArray content with
            | true, segment -> new MemoryStream(nonNull segment.Array, segment.Offset, segment.Count, false)
            | false, _ -> new MemoryStream(content.ToArray(), false)

        let found name (work: ReadOnlyMemory<byte> -> Result<'a, McdrlError>) =
            match files.TryGetValue name with
            | true, content -> work content
            | false, _ -> Error(McdrlError.model $"{name} is missing" place "Give all files of the model")

        {
            Place = place
            Has = files.ContainsKey
            Bytes =
                fun most name ->
                    found name (fun content ->
                        if int64 content.Length > most then
                            Error(
                                McdrlError.model
                                    $"the file has more than {most} bytes, the limit"
                                    (Path.Combine(place, name))
                                    "Give the file that was written"
                            )
                        else
                            Ok(content.ToArray()))
            Tensors =
                fun options name ->
                    found name (fun content ->
                        use stream = streamOf content
                        Safetensors.digestedFrom options (Path.Combine(place, name)) stream)
            Sha256 =
                fun name ->
                    found name (fun content -> Ok(Convert.ToHexStringLower(SHA256.HashData content.Span)))
            IsReplaced = fun () -> false
        }
