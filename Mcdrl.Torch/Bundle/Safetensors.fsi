namespace Mcdrl

open System.IO
open TorchSharp

/// What a safetensors file holds. The tensors belong to the caller's dispose scope.
[<NoComparison; NoEquality>]
type SafetensorsContent =
    {
        /// By name, on the CPU.
        Tensors: Map<string, Tensor>
        /// The file's string map, `__metadata__`.
        Metadata: Map<string, string>
    }

/// How to read a file.
type SafetensorsOptions =
    {
        /// F16 and BF16 come out as F32.
        Widen: bool
        /// A floating-point tensor with a NaN or an infinity is an error that names it.
        RequireFinite: bool
    }

/// Reads and writes safetensors files by the format's full rules. The header is checked whole before any tensor is
/// allocated; the bytes of one tensor at a time go straight from the file to torch. Where reading fails nothing is left
/// allocated: a missing, damaged or foreign file is a `Model` error, a refusal of the system or of torch's memory a
/// `Resource` error.
[<RequireQualifiedAccess>]
module Safetensors =
    /// Reads a file as it is stored: element types kept, values not looked at.
    val read: path: string -> Result<SafetensorsContent, McdrlError>

    /// Reads a file as the options say.
    val readWith: options: SafetensorsOptions -> path: string -> Result<SafetensorsContent, McdrlError>

    /// `readWith` for a file of which some tensors are not read, whatever their element types and values: those for whose name
    /// and element type, as the format calls it, `isIgnored` holds.
    val readWithout:
        isIgnored: (string -> string -> bool) ->
        options: SafetensorsOptions ->
        path: string ->
            Result<SafetensorsContent, McdrlError>

    /// `readWith`, and the sha256 of the file in lower-case hexadecimal, of the very bytes that the tensors were read from:
    /// the file is read once, and a file that is replaced meanwhile can't pass for another.
    val internal readDigested:
        options: SafetensorsOptions -> path: string -> Result<SafetensorsContent * string, McdrlError>

    /// `readDigested` for a file's content, from where the stream stands to its end; `path` names it in errors.
    val internal digestedFrom:
        options: SafetensorsOptions ->
        path: string ->
        stream: Stream ->
            Result<SafetensorsContent * string, McdrlError>

    /// Whether a floating-point tensor holds numbers alone, no NaN and no infinity.
    val internal isFinite: tensor: Tensor -> bool

    /// The checked header of a file's content; the stream stands at the first byte of the tensors then.
    val internal readHeader: path: string -> stream: Stream -> Result<SafetensorsHeader, McdrlError>

    /// Names and shapes of a file's tensors by its checked header alone, before memory is given to any.
    val shapes: path: string -> Result<Map<string, int64 list>, McdrlError>

    /// Writes a file atomically. Equal content gives equal bytes: tensors are laid out by element size, then by name. A
    /// name used twice or reserved, a text that is not Unicode, an element type that the format lacks, and a header beyond
    /// the format's limit are `Usage` errors.
    val write:
        path: string ->
        metadata: Map<string, string> ->
        tensors: (string * Tensor) list ->
            Result<unit, McdrlError>
