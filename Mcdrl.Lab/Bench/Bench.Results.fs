namespace Mcdrl

/// How long one engine takes for one thing. Times in milliseconds of a whole batch.
type BenchResult =
    {
        /// The architecture, see `Tower.name`.
        Tower: string
        /// What was timed.
        Part: BenchScope
        /// Of the segmenter.
        Mode: Marginalisation option
        /// The engine's.
        Precision: Precision
        /// Images at once.
        Batch: int
        /// What computed it.
        Engine: BenchEngine
        /// What it computed on: `cpu` or `cuda:N`.
        Device: string
        /// Those that the engine had.
        Threads: int
        /// Measurements.
        Rounds: int
        /// The median over rounds.
        MedianMs: float
        /// The shortest.
        MinMs: float
        /// The lower quartile.
        LowerMs: float
        /// The upper quartile.
        UpperMs: float
        /// The longest.
        MaxMs: float
        /// The first answer, with all that an engine prepares for frames of this shape.
        FirstMs: float
        /// Operations of a batch in 10⁹, see `Flops`; the same for every engine.
        Gflop: float
        /// 10⁹ operations a second, by the median.
        Gflops: float
        /// That of a large product of matrices in the same precision.
        PeakGflops: float
        /// `Gflops` as a share of `PeakGflops`, in percent.
        PercentOfPeak: float
        /// This time ÷ that of ONNX Runtime in fp32 in the same round, the median over rounds.
        Ratio: float
        /// The smallest ratio of a round.
        RatioMin: float
        /// The largest ratio of a round.
        RatioMax: float
        /// What the segmenter takes besides the tower, as a share of the tower's time in the same round, the median over
        /// rounds; of our engine.
        MethodShare: float option
        /// The smallest share of a round.
        MethodShareMin: float option
        /// The largest share of a round.
        MethodShareMax: float option
        /// ‖x − y‖ / ‖y‖ of the answer x and that of ONNX Runtime y.
        Difference: float
    }

/// What `mcdrl bench` found.
type BenchReport =
    {
        /// One for each precision.
        Peaks: MatmulPeak list
        /// In the order in which they were timed.
        Results: BenchResult list
        /// Where ONNX Runtime computed each part, if not all on the processor.
        Placements: OnnxPlacement list
    }

/// Measurements of one part at one batch size.
[<NoComparison; NoEquality>]
type internal BenchCase =
    {
        Tower: string
        Part: BenchPart
        Batch: int
        Threads: int
        /// Operations for a batch.
        Flops: int64
        /// ONNX Runtime's times, a round each.
        Reference: float list
    }

/// Makes results of measurements.
[<RequireQualifiedAccess>]
module BenchResult =
    /// The times of one contender, and of our tower in the same rounds and precision where that is not what was timed.
    let internal create
        (case: BenchCase)
        (contender: Contender)
        (peak: MatmulPeak)
        (difference: float)
        (first: float)
        (times: float list)
        (tower: float list option)
        : BenchResult =
        let spread = Quartiles.ofMeasurements times
        let ratio = Quartiles.ofRatios times case.Reference

        let share =
            tower
            |> Option.map (fun tower -> Quartiles.ofRatios (List.map2 (-) times tower) tower)

        let gflop = float case.Flops / 1e9
        let gflops = gflop / spread.Median * 1000.0

        {
            Tower = case.Tower
            Part =
                (match case.Part with
                 | BenchPart.Tower -> BenchScope.Tower
                 | BenchPart.Segmenter _ -> BenchScope.Segmenter)
            Mode =
                (match case.Part with
                 | BenchPart.Tower -> None
                 | BenchPart.Segmenter mode -> Some mode)
            Precision = contender.Precision
            Batch = case.Batch
            Engine = contender.Engine
            Device = contender.Device
            Threads = case.Threads
            Rounds = times.Length
            MedianMs = spread.Median
            MinMs = spread.Least
            LowerMs = spread.Lower
            UpperMs = spread.Upper
            MaxMs = spread.Most
            FirstMs = first
            Gflop = gflop
            Gflops = gflops
            PeakGflops = peak.Best
            PercentOfPeak = 100.0 * gflops / peak.Best
            Ratio = ratio.Median
            RatioMin = ratio.Least
            RatioMax = ratio.Most
            MethodShare = share |> Option.map _.Median
            MethodShareMin = share |> Option.map _.Least
            MethodShareMax = share |> Option.map _.Most
            Difference = difference
        }
