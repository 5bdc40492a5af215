namespace Mcdrl

open System
open System.IO
open System.Text.Json
open TorchSharp
open FsToolkit.ErrorHandling

/// What is to be encoded.
[<RequireQualifiedAccess>]
type EncodeSource =
    /// The image files in a folder and the folders below it.
    | Images of folder: string
    /// A safetensors file with `image` [n, 3, h, w] and/or `tokens` [n, context], taken as they are.
    | Tensors of file: string
    /// The lines of a UTF-8 text file, a prompt each; empty ones and repetitions are left out.
    | Prompts of file: string

/// What to encode, by whose weights, and where to.
type EncodeRequest =
    {
        /// A weights file or its folder; for prompts, of a sentence encoder.
        Weights: string
        /// What is encoded.
        Source: EncodeSource
        /// The safetensors file to write.
        Out: string
        /// `cpu`, `cuda`, `cuda:N` or `auto`.
        Device: string
    }

/// What was written.
type EncodeReport =
    {
        /// Which architecture the weights have, see `Tower.name` and `TextTower.name`.
        Tower: string
        /// Names and shapes of the tensors in the file.
        Written: (string * int64 list) list
        /// Image files that could not be read, and why.
        Failed: (string * McdrlError) list
        /// A line about files in the folder that are no images by their names, where there are any.
        LeftOut: string option
    }

/// The work behind `mcdrl encode`: embeddings of images and texts as a safetensors file.
[<RequireQualifiedAccess>]
module Encoder =
    /// Images that go through the tower at once.
    let private chunk = 4

    /// Features of normalised images [n, 3, h, w], name by name.
    let private imageFeatures (tower: Tower) (images: Tensor) : (string * Tensor) list =
        let features =
            match tower with
            | Tower.ViT tower ->
                VisionTransformer.forwardAll [ DenseMode.Plain; DenseMode.Maskclip ] tower images
                |> List.zip [ "dense_plain"; "dense_maskclip" ]
            | Tower.ClipResNet _ -> [ "dense_maskclip", Tower.forward DenseMode.Maskclip tower images ]
            | Tower.PlainResNet _ -> [ "dense_plain", Tower.forward DenseMode.Plain tower images ]

        let _, first = List.head features

        ("image_features", first.Image)
        :: [ for name, features in features -> name, features.Dense ]

    let private keep (named: (string * Tensor) list) : Tensor seq = named |> Seq.map snd

    /// Joins what the chunks gave, name by name.
    let private joined (parts: (string * Tensor) list list) : (string * Tensor) list =
        match List.filter (List.isEmpty >> not) parts with
        | [] -> []
        | first :: _ as parts ->
            [
                for index, (name, _) in List.indexed first ->
                    name, torch.cat ([| for part in parts -> snd part[index] |], 0L)
            ]

    /// Runs `work` on 0 .. count − 1 in chunks, given as first and length.
    let private inChunks stage count (work: int -> int -> 'a) (progress: Progress) : 'a list =
        [
            for start in 0..chunk .. count - 1 do
                progress.Cancel.ThrowIfCancellationRequested()
                let length = min chunk (count - start)
                work start length

                progress.Tell
                    {
                        Stage = stage
                        Done = start + length
                        Total = count
                        Note = ""
                    }
        ]

    /// Runs a tower on one chunk and brings the results to the CPU.
    let private encodeChunk
        (encode: Tensor -> (string * Tensor) list)
        (device: torch.Device)
        (inputs: Tensor)
        =
        scopedWith keep (fun () ->
            [ for name, tensor in encode (inputs.``to`` device) -> name, tensor.cpu () ])

    let private refuse path name what =
        McdrlError.data what $"{path}, tensor \"{name}\"" "Write `image` as [n,3,h,w] and `tokens` as [n,77]"

    let private checkImages path (tower: Tower) (images: Tensor) =
        let step = Tower.granularity tower

        match List.ofArray images.shape with
        | [ count; 3L; height; width ] when
            count > 0L
            && height > 0L
            && width > 0L
            && height % step = 0L
            && width % step = 0L
            ->
            if images.is_floating_point () then
                Ok()
            else
                Error(refuse path "image" $"it is {images.dtype}, not F32")
        | shape ->
            Error(
                refuse
                    path
                    "image"
                    $"it is {shapeText shape}, not [n, 3, h, w] with h and w multiples of {step}, as {Tower.name tower} needs"
            )

    let private checkTokens path (text: ClipText) (tokens: Tensor) =
        use _scope = torch.NewDisposeScope()

        match List.ofArray tokens.shape with
        | [ count; length ] when count > 0L && length > 0L && length <= int64 (ClipText.context text) ->
            if tokens.dtype <> torch.int64 && tokens.dtype <> torch.int32 then
                Error(refuse path "tokens" $"it is {tokens.dtype}, not I64")
            elif
                tokens.min().``to``(torch.int64).item<int64>() < 0L
                || tokens.max().``to``(torch.int64).item<int64>() >= ClipText.vocabulary text
            then
                Error(refuse path "tokens" $"an id is not in 0 .. {ClipText.vocabulary text - 1L}")
            else
                Ok()
        | shape ->
            Error(
                refuse
                    path
                    "tokens"
                    $"it is {shapeText shape}, not [n, m] with m at most {ClipText.context text}"
            )

    let private encodeTensors (weights: Weights) device (path: string) progress =
        result {
            let! content = Safetensors.readWith { Widen = true; RequireFinite = true } path

            let images, tokens =
                content.Tensors.TryFind "image", content.Tensors.TryFind "tokens"

            do!
                Result.requireTrue
                    (McdrlError.data "it has neither `image` nor `tokens`" path "Write at least one of them")
                    (images.IsSome || tokens.IsSome)

            let rowsOf stage encode (inputs: Tensor) =
                let rows start length =
                    inputs.narrow (0L, int64 start, int64 length) |> encodeChunk encode device

                inChunks stage (int inputs.shape[0]) rows progress |> joined

            let! fromImages =
                match images with
                | None -> Ok []
                | Some images ->
                    checkImages path weights.Tower images
                    |> Result.map (fun () ->
                        images.``to`` torch.float32
                        |> rowsOf "encoding images" (imageFeatures weights.Tower))

            let! fromTokens =
                match tokens, weights.Text with
                | None, _ -> Ok []
                | Some _, None ->
                    Error(
                        McdrlError.usage
                            $"{path} has `tokens`, {Tower.name weights.Tower} has no text tower"
                            weights.Path
                            "Leave `tokens` out, or use CLIP weights"
                    )
                | Some tokens, Some text ->
                    checkTokens path text tokens
                    |> Result.map (fun () ->
                        tokens.``to`` torch.int64
                        |> rowsOf "encoding texts" (fun tokens ->
                            [ "text_features", ClipText.forward text tokens ]))

            return fromImages @ fromTokens, Map.empty, ([], None)
        }

    let private imageFiles (folder: string) =
        if not (Directory.Exists folder) then
            Error(McdrlError.data "there is no such folder" folder "Check the path")
        else
            ImageFolder.readAll folder

    /// A frame as the tower wants it, by CLIP's own preprocessing. [1, 3, S, S]
    let private prepare (tower: Tower) (picture: Picture) =
        scoped (fun () ->
            let floats = List.map float32 >> Array.ofList
            let mean, std = Tower.normalisation tower

            let levels =
                Resize.clipSquare (int (Tower.inputSize tower)) (RasterTensors.ofPicture picture)

            Preprocessing.ofLevels (levels.unsqueeze 0L)
            |> Preprocessing.normalised (floats mean) (floats std))

    let private encodeFolder (weights: Weights) (device: torch.Device) (folder: string) out progress =
        result {
            let! found = imageFiles folder
            do! Inputs.keep found.Images out
            let files = Array.ofList found.Images

            do!
                Result.requireTrue
                    (McdrlError.data
                        $"""it has no image file ({String.concat " " Images.extensions})"""
                        folder
                        "Name a folder of images")
                    (files.Length > 0)

            let chunks =
                let encoded start length =
                    scopedWith (fun (features, _, _) -> keep features) (fun () ->
                        let frames =
                            [
                                for path in files[start .. start + length - 1] ->
                                    path,
                                    Guard.run path (fun () ->
                                        Images.read ImageLimits.standard path
                                        |> Result.map (prepare weights.Tower))
                            ]

                        let good =
                            frames
                            |> List.choose (fun (path, frame) ->
                                match frame with
                                | Ok frame -> Some(path, frame)
                                | Error _ -> None)

                        let failed =
                            frames
                            |> List.choose (fun (path, frame) ->
                                match frame with
                                | Ok _ -> None
                                | Error error -> Some(path, error))

                        let paths = List.map fst good

                        let encoded () =
                            if good.IsEmpty then
                                Ok []
                            else
                                torch.cat (Seq.toArray (Seq.map snd good), 0L)
                                |> encodeChunk (imageFeatures weights.Tower) device
                                |> Ok

                        match Guard.run folder encoded with
                        | Ok features -> features, paths, failed
                        | Error McdrlError.Cancelled -> raise (OperationCanceledException())
                        | Error fault -> [], [], failed @ [ for path in paths -> path, fault ])

                inChunks "encoding images" files.Length encoded progress

            let failed = chunks |> List.collect (fun (_, _, failed) -> failed)
            let good = chunks |> List.collect (fun (_, good, _) -> good)

            do!
                match good, McdrlError.ofList (List.map snd failed) with
                | [], Some error -> Error error
                | _ -> Ok()

            let features = chunks |> List.map (fun (features, _, _) -> features) |> joined
            let names = [| for path in good -> Path.GetRelativePath(folder, path) |]
            let metadata = Map [ "files", JsonSerializer.Serialize names ]
            return features, metadata, (failed, ImageFolder.leftOut found)
        }

    /// Larger than any list of prompts.
    let private largestPrompts = 16_000_000L

    /// Characters of a prompt: far more than any text tower takes, and few enough for the tokenizer, whose time grows with their
    /// square.
    let private longestPrompt = 10_000

    let private promptsOf (path: string) =
        Files.readText largestPrompts path
        |> Result.bind (fun text ->
            let lines =
                text.Split '\n'
                |> Array.map _.Trim()
                |> Array.filter ((<>) "")
                |> Array.distinct
                |> List.ofArray

            let long = lines |> List.tryFind (fun line -> line.Length > longestPrompt)

            if lines.IsEmpty then
                Error(McdrlError.data "it has no prompt" path "Write one prompt a line")
            elif long.IsSome then
                Error(
                    McdrlError.data
                        $"a prompt has {long.Value.Length} characters, more than {longestPrompt}"
                        path
                        "Write one prompt a line"
                )
            else
                Ok lines)

    /// The files of a sentence encoder's folder.
    let private filesOf (folder: string) =
        if Directory.Exists folder then
            List.ofArray (Directory.GetFiles folder)
        else
            [ folder ]

    /// A table of prompts by a sentence encoder, as `PromptTable.ofFile` reads it.
    let private encodePrompts (request: EncodeRequest) (device: torch.Device) (path: string) =
        result {
            do! Inputs.keep (filesOf request.Weights) request.Out
            let! prompts = promptsOf path
            let! text, tokenizer = SentenceEncoder.load request.Weights
            let text = text |> Tree.map (fun leaf -> leaf.``to`` device)
            let! embeddings = TextEncoder.features (TextEncoder.Bert(text, tokenizer)) prompts
            do! PromptTable.write request.Out prompts embeddings

            return
                {
                    Tower = TextTower.name (TextTower.Bert text)
                    Written = [ "embeddings", List.ofArray embeddings.shape ]
                    Failed = []
                    LeftOut = None
                }
        }

    let private encodeByTower (request: EncodeRequest) (device: torch.Device) work =
        result {
            let! file = Weights.locate request.Weights
            do! Inputs.keep [ file ] request.Out
            let! loaded = Weights.load request.Weights

            let weights =
                { loaded with
                    Tower = loaded.Tower |> Tree.map (fun leaf -> leaf.``to`` device)
                    Text = loaded.Text |> Tree.map (fun leaf -> leaf.``to`` device)
                }

            let! tensors, metadata, (failed, leftOut) = work weights
            let name = Tower.name weights.Tower
            do! Safetensors.write request.Out (Map.add "tower" name metadata) tensors

            return
                {
                    Tower = name
                    Written = [ for name, tensor in tensors -> name, List.ofArray tensor.shape ]
                    Failed = failed
                    LeftOut = leftOut
                }
        }

    /// Encodes and writes. From images and tensors: `image_features` [n, d] and, where the tower has them, `dense_plain`
    /// and `dense_maskclip` [n, H, W, d], `text_features` [n, d]; none of unit length. Images from files are prepared by
    /// CLIP's own preprocessing (shorter side to the input's size, centre square); their names are in
    /// `__metadata__.files`, in the order of the rows. An unreadable image is reported and left out. From prompts: a table,
    /// `embeddings` [n, d], rows of unit length, the prompts as a JSON list in `__metadata__.prompts`.
    let encode (request: EncodeRequest) (progress: Progress) : Result<EncodeReport, McdrlError> =
        try
            result {
                let! device = Device.parse request.Device
                do! Files.replaceable request.Out
                use _scope = torch.NewDisposeScope()
                use _inference = torch.inference_mode true

                return!
                    match request.Source with
                    | EncodeSource.Tensors path ->
                        Inputs.keep [ path ] request.Out
                        |> Result.bind (fun () ->
                            encodeByTower request device (fun weights ->
                                encodeTensors weights device path progress))
                    | EncodeSource.Images folder ->
                        encodeByTower request device (fun weights ->
                            encodeFolder weights device folder request.Out progress)
                    | EncodeSource.Prompts path ->
                        Inputs.keep [ path ] request.Out
                        |> Result.bind (fun () -> encodePrompts request device path)
            }
        with :? OperationCanceledException ->
            Error McdrlError.Cancelled
