namespace Mcdrl

open System
open System.Buffers.Binary
open System.Security.Cryptography
open System.Text

/// One of several shares of much work, each of which a process does by itself: the share numbered `Index`, counted from 0, of `Count`.
[<Struct>]
type Part =
    private
        {
            Number: int
            Of: int
        }

    /// Which share, from 0.
    member this.Index = this.Number
    /// How many shares there are.
    member this.Count = this.Of

    override this.ToString() = $"part {this.Number} of {this.Of}"

/// Which part a piece of work belongs to is a function of its name and of the number of parts alone: whoever asks, on whatever machine,
/// and whatever other work there is.
[<RequireQualifiedAccess>]
module Part =
    /// As many as work may be divided into.
    let most = 100_000

    /// All of the work.
    let whole: Part = { Number = 0; Of = 1 }

    /// The part `index`, from 0, of `count`, 1 to `most`; a `Usage` error for what is out of range.
    let create (count: int) (index: int) : Result<Part, McdrlError> =
        if count < 1 || count > most then
            Error(McdrlError.usage $"{count} is not from 1 to {most}" "“parts”" "Give the number of parts")
        elif index < 0 || index >= count then
            Error(
                McdrlError.usage
                    $"{index} is none of the {count} parts, which count from 0 to {count - 1}"
                    "“part”"
                    "Give the number of one of them"
            )
        else
            Ok { Number = index; Of = count }

    /// The part, from 0, of `count` that a name falls to: the first eight bytes of the sha256 of its UTF-8, as a number, modulo the
    /// count.
    let ofName (count: int) (name: string) : int =
        let digest = SHA256.HashData(Encoding.UTF8.GetBytes name)
        int (BinaryPrimitives.ReadUInt64BigEndian(ReadOnlySpan(digest, 0, 8)) % uint64 count)

    /// Whether what has this name belongs to the part.
    let holds (part: Part) (name: string) : bool = ofName part.Of name = part.Number

    /// Numbers of parts in few words, as `--array` of Slurm takes them: `3,7-9`.
    let listed (numbers: int list) : string =
        let rec runs found numbers =
            match numbers, found with
            | [], _ -> List.rev found
            | next :: rest, (first, last) :: before when next = last + 1 ->
                runs ((first, next) :: before) rest
            | next :: rest, _ -> runs ((next, next) :: found) rest

        numbers
        |> List.sort
        |> List.distinct
        |> runs []
        |> List.map (fun (first, last) -> if first = last then $"{first}" else $"{first}-{last}")
        |> String.concat ","
