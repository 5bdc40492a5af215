namespace Mcdrl

open System
open System.IO
open System.Security.Cryptography
open System.Text
open System.Threading
open FsToolkit.ErrorHandling

/// What identifies a dataset's contents, wherever it lies.
[<RequireQualifiedAccess>]
module DatasetDigest =
    /// sha256 of a frame and of its mask, one after the other.
    let private digestsOf
        (items: DatasetItem list)
        (cancel: CancellationToken)
        : Result<(DatasetItem * byte[]) list, McdrlError> =
        items
        |> List.traverseResultM (fun item ->
            if cancel.IsCancellationRequested then
                Error McdrlError.Cancelled
            else
                let digest (path: string) =
                    Files.reading path (fun stream -> Ok(SHA256.HashData stream))

                match digest item.Image, digest item.Mask with
                | Ok image, Ok mask -> Ok(item, Array.append image mask)
                | Error fault, _
                | _, Error fault -> Error fault)

    /// sha256 over what the masks' values mean, and the names and contents of all frames and masks. Prepared frames hold
    /// labels, so they are others once a value means another class.
    let private combined (dataset: Dataset) (digests: (DatasetItem * byte[]) list) =
        use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256
        let number = Option.map string<byte> >> Option.defaultValue "-"
        let labels = dataset.LabelOf |> Array.map number |> String.concat ","
        hash.AppendData(Encoding.UTF8.GetBytes $"{labels} {number dataset.Threshold}\n")

        for (red, green, blue), label in dataset.Colours do
            hash.AppendData(Encoding.UTF8.GetBytes $"{red:x2}{green:x2}{blue:x2} {label}\n")

        if dataset.MaskOrientation = Some MaskOrientation.Upright then
            hash.AppendData "masks are upright\n"B

        for item, digest in digests do
            hash.AppendData(Encoding.UTF8.GetBytes $"{item.Site}/{item.Stem}\n")
            hash.AppendData digest

        Convert.ToHexStringLower(hash.GetHashAndReset())

    /// sha256 of some of a dataset's frames and masks, in lower-case hexadecimal.
    let ofItems (dataset: Dataset) items cancel : Result<string, McdrlError> =
        digestsOf items cancel |> Result.map (combined dataset)

    /// The same of all of them: what the masks' values mean, all frames and all masks.
    let whole (dataset: Dataset) cancel : Result<string, McdrlError> =
        ofItems dataset (dataset.Sites |> List.collect (fun site -> List.ofArray site.Items)) cancel
