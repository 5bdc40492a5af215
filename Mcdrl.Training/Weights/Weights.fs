namespace Mcdrl

open System
open System.IO
open TorchSharp
open FsToolkit.ErrorHandling

/// Pretrained weights, in fp32, from a user's file.
[<NoComparison; NoEquality>]
type Weights =
    {
        /// The safetensors file that they were read from.
        Path: string
        /// The image tower.
        Tower: Tower
        /// `None` for a file that has only an image tower.
        Text: ClipText option
    }

/// Loads pretrained weights: a file or the folder it lies in, in OpenAI's, open_clip's or Hugging Face's layout, or a
/// torchvision ResNet-18, -34 or -50. Nothing but safetensors is read.
[<RequireQualifiedAccess>]
module Weights =
    /// File names that publishers use, best first; they decide when a folder has several safetensors files.
    let private usualNames = [ "open_clip_model.safetensors"; "model.safetensors" ]

    /// What lists the parts of weights that are in several files.
    let private index = "model.safetensors.index.json"

    let private pickles = [ ".pt"; ".pth"; ".bin"; ".pkl"; ".ckpt" ]

    /// The safetensors file that `path` names or holds.
    let locate (path: string) : Result<string, McdrlError> =
        let isPickle (file: string) =
            pickles
            |> List.exists (fun ending -> file.EndsWith(ending, StringComparison.OrdinalIgnoreCase))

        let useSafetensors =
            "Use the safetensors file of the same weights, e.g. open_clip_model.safetensors"

        if Directory.Exists path then
            Files.attempt path (fun () ->
                Directory.GetFiles(path, "*.safetensors") |> Array.sort |> List.ofArray)
            |> Result.bind (fun files ->
                let usual =
                    usualNames
                    |> List.tryPick (fun name ->
                        files |> List.tryFind (fun (file: string) -> Path.GetFileName file = name))

                match usual, files with
                | Some file, _ -> Ok file
                | None, [ file ] -> Ok file
                | None, [] ->
                    match Directory.GetFiles path |> Array.sort |> Array.tryFind isPickle with
                    | Some pickle ->
                        Error(
                            McdrlError.model
                                $"the folder has no .safetensors file; {Path.GetFileName pickle} is a pickle, which can run code and is never read"
                                path
                                useSafetensors
                        )
                    | None ->
                        Error(
                            McdrlError.model
                                "the folder has no .safetensors file"
                                path
                                "Name the weights file or its folder"
                        )
                | None, several when File.Exists(Path.Combine(path, index)) ->
                    Error(
                        McdrlError.model
                            $"the weights are in {several.Length} shards, which are not read"
                            path
                            "Save them as one file: load them where they came from, and save the whole state as one safetensors file"
                    )
                | None, several ->
                    let listed =
                        several
                        |> List.map (fun file -> string (Path.GetFileName file))
                        |> String.concat ", "

                    Error(
                        McdrlError.model
                            $"the folder has several weights files: {listed}"
                            path
                            "Name one of them"
                    ))
        elif isPickle path then
            Error(McdrlError.model "it is a pickle, which can run code and is never read" path useSafetensors)
        elif File.Exists path then
            Ok path
        else
            Error(
                McdrlError.model "there is no such file or folder" path "Name the weights file or its folder"
            )

    let private textTower
        path
        activation
        (tensors: Map<string, Tensor>)
        : Result<ClipText option, McdrlError> =
        if tensors.Keys |> Seq.forall (fun name -> name = "logit_scale") then
            Ok None
        else
            ClipText.shape (Shapes.ofTensors path tensors)
            |> Result.bind (fun shape -> Tree.fill path (ClipText.template shape) tensors)
            |> Result.map (ClipText.activatedBy activation >> Some)

    let private assemble path activation (metadata: Map<string, string>) (tensors: Map<string, Tensor>) =
        let visualPrefix = "visual."

        let facts =
            Map.foldBack Map.add (Activation.toFacts Tower.activationKey activation) metadata

        let visual, rest =
            tensors
            |> Map.partition (fun name _ -> name.StartsWith(visualPrefix, StringComparison.Ordinal))

        if visual.IsEmpty then
            Tower.assemble path facts tensors |> Result.map (fun tower -> tower, None)
        else
            let below =
                visual
                |> Map.toSeq
                |> Seq.map (fun (name, tensor) -> name.Substring visualPrefix.Length, tensor)
                |> Map.ofSeq

            match
                Tower.assemble $"{path}, names below {visualPrefix}" facts below,
                textTower path activation rest
            with
            | Ok tower, Ok text -> Ok(tower, text)
            | Error first, Error second -> Error(McdrlError.Several(first, [ second ]))
            | Error error, Ok _
            | Ok _, Error error -> Error error

    /// What need not be read to compute features: bookkeeping, and numbers of element types that no weight has.
    let private isLeftOut (name: string) elementType =
        ClipLayout.isBookkeeping name
        || List.contains elementType [ "U16"; "U32"; "U64" ]

    /// Loads a file or folder whole or not at all. F16 and BF16 are widened to F32; a NaN or an infinity is refused. The activation of
    /// a CLIP's blocks is the one that a `config.json` or `open_clip_config.json` beside the file states, QuickGELU where none does.
    /// The tensors belong to the caller's dispose scope.
    let load (path: string) : Result<Weights, McdrlError> =
        result {
            let! file = locate path
            use scope = torch.NewDisposeScope()

            let! stated = ClipConfig.activation file

            let! content =
                Safetensors.readWithout isLeftOut { Widen = true; RequireFinite = true } file

            let! tensors = ClipLayout.toOpenAi file content.Tensors
            do! WeightTensors.requireFloats file tensors

            let! tower, text =
                assemble file (Option.defaultValue Activation.QuickGelu stated) content.Metadata tensors

            for tensor in Tree.tensors tower @ Tree.tensors text do
                scope.MoveToOuter tensor |> ignore

            return
                {
                    Path = file
                    Tower = tower
                    Text = text
                }
        }

    /// The tokenizer whose vocabulary lies beside the weights: `bpe_simple_vocab_16e6.txt.gz`, or `vocab.json` and
    /// `merges.txt`.
    let tokenizer (weights: Weights) : Result<ClipTokenizer, McdrlError> =
        let folder =
            Path.GetFullPath weights.Path
            |> Path.GetDirectoryName
            |> Option.ofObj
            |> Option.defaultValue "."

        let inside name = Path.Combine(folder, name)
        let openAi = inside "bpe_simple_vocab_16e6.txt.gz"
        let vocabulary, merges = inside "vocab.json", inside "merges.txt"

        if File.Exists openAi then
            ClipTokenizer.ofOpenAi openAi
        elif File.Exists vocabulary && File.Exists merges then
            ClipTokenizer.ofVocabulary vocabulary merges
        else
            Error(
                McdrlError.model
                    "there is no vocabulary beside the weights"
                    folder
                    "Put bpe_simple_vocab_16e6.txt.gz, or vocab.json and merges.txt, into the folder of the weights"
            )
