namespace Mcdrl

/// What went wrong, where (path, byte offset, tensor name, configuration key), and what to do about it. A setting of the
/// operation stands in typographic quotation marks, its name spelt as in a configuration: “leave_out”. The command writes
/// its flag there.
type Fault =
    {
        /// What is wrong, as a clause that can follow the place.
        What: string
        /// The file, folder, setting or tensor that it is wrong with.
        Where: string
        /// What to do about it, as an instruction.
        Fix: string
    }

/// Every way an operation of Mcdrl can fail. The case is the family: it decides the command line's exit
/// code and the exception that the C# API throws.
[<RequireQualifiedAccess>]
type McdrlError =
    /// Wrong arguments or configuration (exit 2, `McdrlUsageException`).
    | Usage of Fault
    /// A weights file, bundle or checkpoint that can't be used (exit 3, `McdrlModelException`).
    | Model of Fault
    /// An image, mask or dataset that can't be used (exit 4, `McdrlDataException`).
    | Data of Fault
    /// A limit was reached: pixels, memory, disk (exit 5, `McdrlResourceException`).
    | Resource of Fault
    /// The caller asked to stop (exit 130, `OperationCanceledException`).
    | Cancelled
    /// Several faults reported at once; the first decides the family. Never empty.
    | Several of first: McdrlError * rest: McdrlError list

/// Makes errors, joins several into one, and says what one means to a user: its text and its exit code.
[<RequireQualifiedAccess>]
module McdrlError =
    let private fault what where fix =
        {
            What = what
            Where = where
            Fix = fix
        }

    /// `usage what where fix`
    let usage what where fix = McdrlError.Usage(fault what where fix)

    /// `model what where fix`
    let model what where fix = McdrlError.Model(fault what where fix)

    /// `data what where fix`
    let data what where fix = McdrlError.Data(fault what where fix)

    /// `resource what where fix`
    let resource what where fix =
        McdrlError.Resource(fault what where fix)

    /// A fault of data as one of a model: of a file that was to be one.
    let asModel error =
        match error with
        | McdrlError.Data fault -> McdrlError.Model fault
        | other -> other

    /// One error for one or more; `None` for none.
    let ofList errors =
        match errors with
        | [] -> None
        | [ single ] -> Some single
        | first :: rest -> Some(McdrlError.Several(first, rest))

    /// All results, or all faults.
    let complete (results: Result<'result, McdrlError> array) : Result<'result list, McdrlError> =
        let faults =
            results
            |> Array.choose (function
                | Error fault -> Some fault
                | Ok _ -> None)

        match ofList (List.ofArray faults) with
        | Some faults -> Error faults
        | None -> Ok(results |> Array.choose Result.toOption |> List.ofArray)

    /// The single faults of an error, in the order they were found.
    let rec flatten error =
        match error with
        | McdrlError.Several(first, rest) -> List.collect flatten (first :: rest)
        | McdrlError.Usage _
        | McdrlError.Model _
        | McdrlError.Data _
        | McdrlError.Resource _
        | McdrlError.Cancelled -> [ error ]

    /// The same faults, each with `place` of where it was.
    let rec mapWhere (place: string -> string) error =
        let moved fault =
            { fault with Where = place fault.Where }

        match error with
        | McdrlError.Usage fault -> McdrlError.Usage(moved fault)
        | McdrlError.Model fault -> McdrlError.Model(moved fault)
        | McdrlError.Data fault -> McdrlError.Data(moved fault)
        | McdrlError.Resource fault -> McdrlError.Resource(moved fault)
        | McdrlError.Cancelled -> McdrlError.Cancelled
        | McdrlError.Several(first, rest) ->
            McdrlError.Several(mapWhere place first, List.map (mapWhere place) rest)

    /// The process exit code of an error: 2 usage, 3 model file, 4 data, 5 resources, 130 cancelled.
    let rec exitCode error =
        match error with
        | McdrlError.Usage _ -> 2
        | McdrlError.Model _ -> 3
        | McdrlError.Data _ -> 4
        | McdrlError.Resource _ -> 5
        | McdrlError.Cancelled -> 130
        | McdrlError.Several(first, _) -> exitCode first

    /// One line a fault: `where: what. fix`; what a stranger put into it is made visible (`Printable`).
    let rec describe error =
        match error with
        | McdrlError.Usage fault
        | McdrlError.Model fault
        | McdrlError.Data fault
        | McdrlError.Resource fault -> Printable.line $"{fault.Where}: {fault.What}. {fault.Fix}."
        | McdrlError.Cancelled -> "Cancelled."
        | McdrlError.Several _ -> flatten error |> List.map describe |> String.concat "\n"
