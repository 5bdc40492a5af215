namespace Mcdrl

open TorchSharp

/// Where the points of a map are before the first step, at a scale of 10⁻⁴.
[<RequireQualifiedAccess>]
type internal TsneStart =
    /// On the two principal components of the features, the largest coordinate of each positive: no chance in it.
    | PrincipalComponents
    /// Drawn from a normal distribution.
    | Normal of Seed

/// How a map is made.
type internal TsneSettings =
    {
        /// How many neighbours a point has, softly counted: more than 1, fewer than the other points.
        Perplexity: float
        /// Steps of the descent, 0 or more; the first quarter of them, at most 250, exaggerates the likenesses.
        Steps: int
        Start: TsneStart
    }

/// Points in the plane whose neighbours are those of features in many dimensions: exact t-SNE, "Visualizing Data using
/// t-SNE" (van der Maaten and Hinton, JMLR 2008). All tensors are float64 on the CPU. Equal arguments give equal maps on
/// a machine, for the same number of torch threads.
[<RequireQualifiedAccess>]
module internal Tsne =
    /// Perplexity 30, 1,000 steps from the principal components.
    let usual: TsneSettings =
        {
            Perplexity = 30.0
            Steps = 1000
            Start = TsneStart.PrincipalComponents
        }

    /// The largest number of points: each step goes over all pairs, which take 200 MB at this number.
    let most = 5000L

    /// Squared Euclidean distances of all pairs of rows. [n, d] → [n, n]
    let private distances (x: Tensor) =
        scoped (fun () ->
            let x = x.sub (x.mean ([| 0L |], keepdim = true))
            let norms = (squared x).sum(1L, keepdim = true)
            norms.add(norms.t (), unity).sub(x.matmul(x.t ()).mul(scalar 2.0)).maximum(scalar 0.0))

    /// Halvings of the interval of log precisions: 70 wide at first, narrower than 10⁻¹³ at last.
    let private halvings = 50

    /// p_{j|i} (Eq. 1), row by row with the precision at which the row has this perplexity, 2 to the power of its
    /// entropy in bits. A row that has more equal nearest neighbours than that keeps all of them. [n, d] → [n, n], rows sum
    /// to 1, zero on the diagonal.
    let conditional (perplexity: float) (features: Tensor) =
        scoped (fun () ->
            let squares = distances (features.``to`` torch.float64)
            let points = squares.shape[0]
            let scale = squares.sum(1L, keepdim = true).div(scalar (float (points - 1L)))

            let away =
                torch.where (torch.eye (points, dtype = torch.bool), scalar infinity, squares)

            let nearest = away.amin ([| 1L |], keepdim = true)
            let beyond = away.sub(nearest).div(scale.maximum (scalar 1e-300))

            let neighbours (precision: Tensor) =
                scoped (fun () -> beyond.mul(precision.exp ()).neg().softmax 1L)

            let halved (low: Tensor, high: Tensor) =
                scopedWith (fun (low, high) -> [ low; high ]) (fun () ->
                    let middle = low.add(high, unity).mul(scalar 0.5)

                    let isWide =
                        torch.special
                            .entr(neighbours middle)
                            .sum(1L, keepdim = true)
                            .gt(scalar (log perplexity))

                    torch.where (isWide, middle, low), torch.where (isWide, high, middle))

            let low, high =
                ((torch.full_like (scale, -30.0), torch.full_like (scale, 40.0)), [ 1..halvings ])
                ||> List.fold (fun interval _ -> halved interval)

            neighbours (low.add(high, unity).mul(scalar 0.5)))

    /// p_ij = (p_{j|i} + p_{i|j}) / 2n. [n, d] → [n, n], symmetric, sums to 1.
    let joint (perplexity: float) (features: Tensor) =
        scoped (fun () ->
            let rows = conditional perplexity features
            rows.add(rows.t (), unity).div(scalar (2.0 * float rows.shape[0])))

    /// 1 / (1 + ‖y_i − y_j‖²), by one product: the squared norms are two more coordinates. [n, 2] → [n, n]
    let private kernel (points: Tensor) =
        scoped (fun () ->
            let norms = (squared points).sum(1L, keepdim = true)
            let ones = torch.ones_like norms

            let left =
                torch.cat ([| points.mul (scalar -2.0); norms.add (ones, unity); ones |], 1L)

            left.matmul(torch.cat([| points; ones; norms |], 1L).t()).reciprocal())

    /// The sum over all pairs of different points.
    let private total (kernel: Tensor) =
        scoped (fun () -> kernel.sum().sub(kernel.trace ()))

    /// KL(P ‖ Q) in nats (Eq. 2), Q the likenesses of the points in the plane (Eq. 4); differentiable in the points.
    /// P [n, n] with a zero diagonal, points [n, 2] → [].
    let divergence (joint: Tensor) (points: Tensor) =
        scoped (fun () ->
            let kernel = kernel points
            let cross = joint.mul(kernel.div(total kernel).log()).sum()
            torch.special.entr(joint).sum().add(cross, unity).neg())

    /// The gradient of `divergence` (Eq. 5): 4 Σ_j (p_ij − q_ij)(y_i − y_j) / (1 + ‖y_i − y_j‖²). [n, n] and [n, 2] → [n, 2]
    let gradient (joint: Tensor) (points: Tensor) =
        scoped (fun () ->
            let kernel = kernel points
            let pull = joint.sub(kernel.div (total kernel)).mul kernel
            let ones = torch.ones (points.shape[0], 1L, dtype = points.dtype)
            // [n, 3]: Σ_j w_ij y_j and Σ_j w_ij; the diagonal falls out of their difference.
            let sums = pull.matmul (torch.cat ([| points; ones |], 1L))
            points.mul(sums.narrow (1L, 2L, 1L)).sub(sums.narrow (1L, 0L, 2L)).mul(scalar 4.0))

    let private startScale = 1e-4

    /// Each column with its largest coordinate positive: a direction has no sign of its own.
    let private signed (columns: Tensor) =
        scoped (fun () ->
            let largest = columns.abs().argmax(0L, keepdim = true)
            columns.mul (columns.gather(0L, largest).sign()))

    let private started start (features: Tensor) =
        scoped (fun () ->
            match start with
            | TsneStart.Normal seed ->
                (SeedTensors.normal [ features.shape[0]; 2L ] seed)
                    .``to``(torch.float64)
                    .mul(scalar startScale)
            | TsneStart.PrincipalComponents ->
                let centred = features.sub (features.mean ([| 0L |], keepdim = true))
                let struct (_, directions) = torch.linalg.eigh (centred.t().matmul centred)
                let width = directions.shape[1]
                let main = directions.narrow(1L, width - 2L, 2L).flip 1L
                let points = signed (centred.matmul main)
                let spread = (squared (points.narrow (1L, 0L, 1L))).mean().sqrt()
                points.div(spread.maximum (scalar 1e-300)).mul(scalar startScale))

    /// Points on their way.
    [<NoComparison; NoEquality>]
    type private Motion =
        {
            Points: Tensor
            Velocity: Tensor
            Gains: Tensor
        }

    let private tensors motion : Tensor seq =
        [ motion.Points; motion.Velocity; motion.Gains ]

    /// One step with momentum and a gain for every coordinate, which grows while the coordinate keeps its direction.
    let private moved joint rate momentum motion =
        scopedWith tensors (fun () ->
            let slope = gradient joint motion.Points
            let turns = slope.sign().eq(motion.Velocity.sign ())

            let gains =
                torch
                    .where(turns, motion.Gains.mul (scalar 0.8), motion.Gains.add (scalar 0.2, unity))
                    .maximum(scalar 0.01)

            let velocity =
                motion.Velocity.mul(scalar momentum).sub(slope.mul(gains).mul(scalar rate))

            let points = motion.Points.add (velocity, unity)

            {
                Points = points.sub (points.mean ([| 0L |], keepdim = true))
                Velocity = velocity
                Gains = gains
            })

    let private exaggeration = 12.0

    /// The descent: exaggerated likenesses with momentum 0.5, then true ones with 0.8. The step is n / 48, at least 50
    /// (Belkina et al., Nature Communications 2019).
    let private descended steps (joint: Tensor) (start: Tensor) =
        scoped (fun () ->
            let exaggerated = joint.mul (scalar exaggeration)
            let rate = max 50.0 (float start.shape[0] / exaggeration / 4.0)
            let early = min 250 (steps / 4)

            let mutable motion =
                {
                    Points = start.alias ()
                    Velocity = torch.zeros_like start
                    Gains = torch.ones_like start
                }

            for step in 0 .. steps - 1 do
                let before = motion

                motion <-
                    if step < early then
                        moved exaggerated rate 0.5 before
                    else
                        moved joint rate 0.8 before

                for tensor in tensors before do
                    tensor.Dispose()

            motion.Points)

    let private fault settings (features: Tensor) =
        let data what fix = Some(McdrlError.data what "t-SNE" fix)

        if features.dim () <> 2L || features.shape[1] < 2L then
            data
                $"the features are {shapeText features.shape}, not [points, two or more dimensions]"
                "Give one row a point"
        elif features.shape[0] > most then
            Some(
                McdrlError.resource
                    $"there are {features.shape[0]} points, at most {most} are possible"
                    "t-SNE"
                    "Take fewer images"
            )
        elif
            not (
                settings.Perplexity > 1.0
                && settings.Perplexity < float (features.shape[0] - 1L)
            )
        then
            data
                $"a perplexity of {settings.Perplexity} is not between 1 and the number of other points, {features.shape[0] - 1L}"
                "Take more images or a smaller perplexity"
        elif not (features.isfinite().all().item<bool>()) then
            data "a feature is not a finite number" "Look for the image whose feature it is"
        else
            None

    /// The map of some features, whose likeness is their Euclidean distance: give them unit length for cosines.
    /// [n, d], n to `most`, d at least 2 → [n, 2], centred, which the caller disposes. Other shapes, numbers that are not
    /// finite and a perplexity that n points can't have are errors.
    let embed (settings: TsneSettings) (features: Tensor) : Result<Tensor, McdrlError> =
        use _scope = torch.NewDisposeScope()

        match fault settings features with
        | Some fault -> Error fault
        | None ->
            let features = features.detach().cpu().``to`` torch.float64

            let map =
                started settings.Start features
                |> descended settings.Steps (joint settings.Perplexity features)

            Ok(map.MoveToOuterDisposeScope())
