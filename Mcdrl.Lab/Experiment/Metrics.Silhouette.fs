namespace Mcdrl

open System
open TorchSharp

/// How well groups of features stand apart: "Silhouettes" (Rousseeuw, 1987), with the cosine distance 1 − cos.
[<RequireQualifiedAccess>]
module internal Silhouette =
    /// (b − a) / max(a, b) of every feature, −1 to 1, where a is its mean distance to the others of its group and b to the
    /// nearest other group; 0 for a group of one and where both are 0. A zero vector is 1 from everything. Features [n, d] and their n groups → n numbers,
    /// all NaN unless there are two groups.
    let ofEach (features: Tensor) (groups: 'group array) : float array =
        let names = Array.distinct groups

        if names.Length < 2 then
            Array.create groups.Length nan
        else
            use _scope = torch.NewDisposeScope()
            let rows = unit (features.detach().cpu().``to`` torch.float64)
            let group = groups |> Array.map (fun name -> Array.IndexOf(names, name))

            let sizes =
                Array.init names.Length (fun k -> group |> Seq.filter ((=) k) |> Seq.length)

            let belongs =
                torch.nn.functional.one_hot(torch.tensor (Array.map int64 group), int64 names.Length).``to``
                    torch.float64

            // Σ over a group of 1 − cos, [n, groups].
            let sums =
                belongs.sum(0L, keepdim = true).sub(rows.matmul (rows.t().matmul belongs))

            // What a row counts of itself: nothing, unless it has no direction.
            let itself = (squared rows).sum(1L).neg().add(scalar 1.0, unity)
            let sums = sums.contiguous().data<float>().ToArray()
            let itself = itself.data<float>().ToArray()

            groups
            |> Array.mapi (fun row _ ->
                let own = group[row]

                let sum k =
                    max 0.0 (sums[row * names.Length + k] - (if k = own then itself[row] else 0.0))

                if sizes[own] = 1 then
                    0.0
                else
                    let a = sum own / float (sizes[own] - 1)

                    let b =
                        Seq.init names.Length id
                        |> Seq.filter ((<>) own)
                        |> Seq.map (fun k -> sum k / float sizes[k])
                        |> Seq.min

                    if max a b < 1e-12 then 0.0 else (b - a) / max a b)

    /// The mean of `ofEach`; NaN unless there are two groups.
    let mean (features: Tensor) (groups: 'group array) : float =
        if groups.Length = 0 then
            nan
        else
            Array.average (ofEach features groups)
