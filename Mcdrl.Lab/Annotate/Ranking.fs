namespace Mcdrl

open System
open System.Collections.Generic
open FsToolkit.ErrorHandling
open TorchSharp

/// An unlabelled frame and how unsure a model is of it, in nats: a line of what `rank` writes.
type RankedFrame =
    {
        /// Its place, from 1: the frame to annotate first.
        Place: int
        /// The image's path, as it was found.
        Image: string
        /// `FrameUncertainty.Disagreement`; absent for a model that doesn't intervene.
        Disagreement: float option
        /// `FrameUncertainty.Entropy`
        Entropy: float
        /// `FrameUncertainty.DisagreementNearLesion`; absent for a model that doesn't intervene.
        DisagreementNearLesion: float option
        /// `FrameUncertainty.EntropyNearLesion`
        EntropyNearLesion: float
        /// Frames further down that look like this one and are left out for it.
        Alike: int
    }

/// A frame that was read, before it has a place.
type ScoredFrame =
    {
        /// The image's path, as it was found.
        Image: string
        /// Of the model's answer.
        Uncertainty: FrameUncertainty
        /// `Fingerprints.look`; empty where nobody asked for it.
        Look: uint64[]
    }

/// Which frames are worth a person's time: those of which a model is least sure come first.
[<RequireQualifiedAccess>]
module Ranking =
    /// What frames can be ordered by: `FrameUncertainty.kinds`, in the words of a command line.
    let kinds: (string * (FrameUncertainty -> float)) list =
        FrameUncertainty.kinds
        |> List.map (fun (name, kind) -> name.Replace('_', '-'), kind)

    /// The kind of this name.
    let kind (name: string) : Result<FrameUncertainty -> float, McdrlError> =
        kinds
        |> List.tryFind (fst >> (=) name)
        |> Option.map snd
        |> Result.requireSome (
            let listed = kinds |> List.map fst |> String.concat ", "

            McdrlError.usage
                "frames can't be ordered by this"
                name
                $"{Spelling.hint (List.map fst kinds) name}Choose one of {listed}"
        )

    /// How unsure a model is of a picture, in its own mode; a `Model` error where the answer is no number.
    let uncertainty (segmenter: Segmenter) (picture: Picture) : Result<FrameUncertainty, McdrlError> =
        use _scope = torch.NewDisposeScope()

        let probabilities, disagreement =
            Segmenter.probabilitiesAndDisagreement segmenter None picture

        if probabilities.isfinite().all().item<bool>() then
            Ok(FrameUncertainty.ofAnswer probabilities disagreement)
        else
            Error SegmentationResult.notFinite

    let private ranked index (frame: ScoredFrame) alike : RankedFrame =
        let defined value =
            if Double.IsNaN value then None else Some value

        {
            Place = index + 1
            Image = frame.Image
            Disagreement = defined frame.Uncertainty.Disagreement
            Entropy = frame.Uncertainty.Entropy
            DisagreementNearLesion = defined frame.Uncertainty.DisagreementNearLesion
            EntropyNearLesion = frame.Uncertainty.EntropyNearLesion
            Alike = alike
        }

    /// The first `most` frames by falling uncertainty, equal ones by path. With `distinct`, a frame that looks like one above it
    /// (`Duplicates.threshold`) has no place of its own; those above the last place are counted.
    let order
        (kind: FrameUncertainty -> float)
        (distinct: bool)
        (most: int)
        (frames: ScoredFrame seq)
        : RankedFrame list =
        let sorted =
            frames
            |> Seq.sortWith (fun a b ->
                match compare (kind b.Uncertainty) (kind a.Uncertainty) with
                | 0 -> String.CompareOrdinal(a.Image, b.Image)
                | different -> different)

        let kept = List<struct (ScoredFrame * int)>()
        use rest = sorted.GetEnumerator()

        while kept.Count < most && rest.MoveNext() do
            let frame = rest.Current

            match
                if distinct then
                    kept.FindIndex(fun (struct (other, _)) ->
                        Fingerprints.distance other.Look frame.Look <= Duplicates.threshold)
                else
                    -1
            with
            | -1 -> kept.Add(struct (frame, 0))
            | first ->
                let struct (other, alike) = kept[first]
                kept[first] <- struct (other, alike + 1)

        kept
        |> Seq.mapi (fun index (struct (frame, alike)) -> ranked index frame alike)
        |> List.ofSeq

    /// What is known of each image that can be read, in their order; `unread` is told of the others. Of a picture nothing but these
    /// numbers is kept, so memory grows by some hundred bytes a frame. `ask` says how unsure a model is of a picture.
    let score
        (ask: Picture -> Result<FrameUncertainty, McdrlError>)
        (distinct: bool)
        (images: string list)
        (unread: string -> McdrlError -> unit)
        (progress: Progress)
        : Result<ScoredFrame list, McdrlError> =
        let items = Array.ofList images
        let scored = List<ScoredFrame>()

        let one image =
            Interruption.during progress.Cancel (fun () ->
                Guard.run image (fun () ->
                    result {
                        let! picture = Images.read ImageLimits.standard image
                        Interruption.check ()

                        let! uncertainty =
                            ask picture
                            |> Result.mapError (McdrlError.mapWhere (fun where -> $"{image}: {where}"))

                        return
                            {
                                Image = image
                                Uncertainty = uncertainty
                                Look = if distinct then Fingerprints.look picture else [||]
                            }
                    }))

        let told image outcome =
            match outcome with
            | Ok frame -> scored.Add frame
            | Error McdrlError.Cancelled -> ()
            | Error fault -> unread image fault

        use _shared = TorchThreads.share (Parallel.workers items)

        Parallel.inOrder "ranking" one told items progress
        |> Result.map (fun () -> List.ofSeq scored)

    /// The images without those that a dataset has, byte for byte.
    let unlabelled (data: string) (images: string list) : Result<string list, McdrlError> =
        result {
            let! dataset = Dataset.load data

            let! labelled =
                dataset.Sites
                |> Seq.collect _.Items
                |> List.ofSeq
                |> List.traverseResultM (fun item -> Files.sha256 item.Image)

            let labelled = Set labelled

            // What can't be read stays, for who reads it to tell of.
            return
                images
                |> List.filter (fun image ->
                    match Files.sha256 image with
                    | Ok digest -> not (labelled.Contains digest)
                    | Error _ -> true)
        }
