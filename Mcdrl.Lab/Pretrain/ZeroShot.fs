namespace Mcdrl

open TorchSharp

/// What a CLIP can tell without any training for it, from text alone.
[<RequireQualifiedAccess>]
module internal ZeroShot =
    /// The text nearest to each image by cosine: [B, d] and [n, d] → int64 [B].
    let nearest (texts: Tensor) (images: Tensor) =
        scoped (fun () -> (unit images).matmul((unit texts).t()).argmax(1L))

    /// The share of a frame's lesion cells that are among the cells kept, for each frame. `lesion` [B, H, W] is not 0 at
    /// a lesion's cells, of which each frame has at least one; `cells` are cell numbers, int64 [B, N] → float32 [B]
    let covered (lesion: Tensor) (cells: Tensor) =
        scoped (fun () ->
            let marks = lesion.flatten(1L).ne(scalar 0.0).``to`` torch.float32
            marks.gather(1L, cells).sum(1L).div(marks.sum 1L))

    /// `covered` by the cells that MTRS keeps (Eq. 6) for these texts: one set of texts a frame. Dense [B, H, W, d],
    /// texts [B, n, d] → float32 [B]
    let coveredBy (alpha: float) (texts: Tensor) (lesion: Tensor) (dense: Tensor) =
        scoped (fun () ->
            let similarity =
                (unit dense)
                    .flatten(1L, 2L)
                    .matmul((unit texts).transpose(1L, 2L))
                    .view(dense.shape[0], dense.shape[1], dense.shape[2], texts.shape[1])

            covered lesion (Regions.select alpha similarity))

    /// `count` of `cells` cell numbers at random for each of the frames, int64 [B, count].
    let randomCells (frames: int) (cells: int) (count: int) seed =
        let drawn =
            [|
                for frame in 0 .. frames - 1 do
                    for cell in seed |> Seed.split frame |> Seed.permutation cells |> Array.truncate count do
                        int64 cell
            |]

        scoped (fun () -> torch.tensor(drawn).reshape(int64 frames, int64 count))
