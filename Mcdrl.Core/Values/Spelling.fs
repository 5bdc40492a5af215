namespace Mcdrl

/// Which of the words that are known someone may have meant.
[<RequireQualifiedAccess>]
module Spelling =
    /// Letters added, left out, changed, or swapped with the next, at the least, between two words.
    let private distance (left: string) (right: string) =
        let table = Array2D.zeroCreate<int> (left.Length + 1) (right.Length + 1)

        for i in 0 .. left.Length do
            for j in 0 .. right.Length do
                table[i, j] <-
                    if i = 0 || j = 0 then
                        i + j
                    else
                        let same = left[i - 1] = right[j - 1]

                        let plain =
                            min
                                (table[i - 1, j - 1] + (if same then 0 else 1))
                                (1 + min table[i - 1, j] table[i, j - 1])

                        if i > 1 && j > 1 && left[i - 1] = right[j - 2] && left[i - 2] = right[j - 1] then
                            min plain (table[i - 2, j - 2] + 1)
                        else
                            plain

        table[left.Length, right.Length]

    /// Letters of a word that is compared: none that is known is longer.
    let private longest = 200

    /// The known word that is nearest to what was written, whatever its case, if it is near: at most every third letter differs. The
    /// first of several.
    let near (known: string seq) (written: string) : string option =
        if written.Length > longest then
            None
        else
            let plain (word: string) =
                word.ToLowerInvariant().Replace('-', '_')

            known
            |> Seq.map (fun word -> word, distance (plain word) (plain written))
            |> Seq.filter (fun (word, distance) -> distance <= max 1 (min word.Length written.Length / 3))
            |> Seq.sortBy snd
            |> Seq.map fst
            |> Seq.tryHead

    /// “Did you mean X? ” where a known word is near, else nothing: the beginning of what to do.
    let hint (known: string seq) (written: string) : string =
        match near known written with
        | Some word -> $"Did you mean {word}? "
        | None -> ""
