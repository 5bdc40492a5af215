namespace Mcdrl

/// What an answer to one frame comes to beside its overlap by the protocol. All of it is of the foreground, all lesion classes together,
/// at the frame's own size.
type FrameFindings =
    {
        /// 0 to 1, whatever the protocol; 1 where neither truth nor answer marks anything.
        Dice: float
        /// Normalised surface distance, 0 to 1, see `SurfaceDistance`.
        Nsd: float
        /// Its tolerance in this frame's pixels.
        TolerancePixels: float
        /// Of the frame.
        Pixels: int64
        /// Pixels that the answer marks.
        MarkedArea: int64
        /// The true lesions and whether they were found; empty where the frame has none.
        Lesions: DetectedLesion list
        /// Components of the answer that meet no true lesion.
        FalsePositives: int
        /// Expected calibration error of this frame's pixels, 0 to 1.
        Ece: float
        /// Brier score of this frame's pixels, 0 to 1.
        Brier: float
        /// How unsure the model was.
        Uncertainty: FrameUncertainty
        /// The patient or sequence that it is of, where the dataset names one.
        Group: FrameGroup option
        /// What `Ece` is of, to be summed over frames. Results of experiments keep the sum of a run in its place.
        Calibration: Calibration option
    }

/// Reads findings off the masks and probabilities of a frame.
[<RequireQualifiedAccess>]
module FrameFindings =
    /// Of an answer's labels and P(lesion), told band by band, with the true labels of a frame of this width. Pixels whose truth is
    /// ignored count nowhere.
    let create
        (width: int)
        (marked: byte[])
        (truth: byte[])
        (calibration: Calibration)
        (uncertainty: FrameUncertainty)
        (group: FrameGroup option)
        : FrameFindings =
        let tolerance = SurfaceDistance.tolerancePixels width (truth.Length / width)
        let counts = Counts.ofForeground marked truth
        let detection = LesionDetection.ofMasks width marked truth

        {
            Dice = Metrics.dice EmptyTruth.Counted counts
            Nsd =
                SurfaceDistance.normalised
                    tolerance
                    width
                    (Ignored.without 0uy truth marked)
                    (Ignored.asBackground truth)
            TolerancePixels = tolerance
            Pixels = truth.LongLength
            MarkedArea = counts.TruePositive + counts.FalsePositive
            Lesions = detection.Lesions
            FalsePositives = detection.FalsePositives
            Ece = Calibration.expectedError calibration
            Brier = Calibration.brier calibration
            Uncertainty = uncertainty
            Group = group
            Calibration = Some calibration
        }

    /// Whether the frame has a lesion.
    let hasLesion (frame: FrameFindings) = not frame.Lesions.IsEmpty

    /// The size of a lesion in its frame.
    let sizeOf (frame: FrameFindings) (lesion: DetectedLesion) =
        LesionSize.ofArea lesion.Area frame.Pixels

    /// The size of the frame's largest lesion: all lesions of a `Small` frame are small. `None` without a lesion.
    let size (frame: FrameFindings) : LesionSize option =
        match frame.Lesions with
        | [] -> None
        | lesions -> lesions |> List.maxBy _.Area |> sizeOf frame |> Some

    /// Frames as what is drawn again for an interval: groups of those of the same patient or sequence, a frame that has none alone.
    /// `group` is unique among them.
    let drawnTogether (group: 'frame -> 'group option) (frames: 'frame seq) : 'frame[][] =
        frames
        |> Seq.indexed
        |> Seq.groupBy (fun (index, frame) ->
            match group frame with
            | Some group -> Choice1Of2 group
            | None -> Choice2Of2 index)
        |> Seq.map (fun (_, frames) -> frames |> Seq.map snd |> Array.ofSeq)
        |> Array.ofSeq
