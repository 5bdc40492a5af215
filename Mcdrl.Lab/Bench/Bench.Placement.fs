namespace Mcdrl

open System.IO
open System.Text.Json
open Microsoft.ML.OnnxRuntime

/// Where ONNX Runtime computed a graph's operators.
type OnnxPlacement =
    {
        /// What was timed, in words.
        Part: string
        /// Operators of the graph as it was computed.
        Operators: int
        /// Those on the processor: each kind and how many there are.
        OnProcessor: (string * int) list
    }

[<RequireQualifiedAccess>]
module internal OnnxPlacement =
    let private provider = "CPUExecutionProvider"

    /// A kind of operator and who computed it, of each event in a profile.
    let private operators (profile: JsonElement) =
        [
            for event in profile.EnumerateArray() do
                match event.TryGetProperty "args" with
                | true, arguments when arguments.ValueKind = JsonValueKind.Object ->
                    match arguments.TryGetProperty "op_name", arguments.TryGetProperty "provider" with
                    | (true, kind), (true, by) -> string (kind.GetString()), string (by.GetString())
                    | _ -> ()
                | _ -> ()
        ]

    /// Of the profile that ONNX Runtime wrote of one run.
    let ofProfile (part: string) (profile: JsonElement) : OnnxPlacement =
        let all = operators profile

        {
            Part = part
            Operators = all.Length
            OnProcessor = all |> List.filter (snd >> (=) provider) |> List.countBy fst |> List.sort
        }

    /// Asks a session of the file that `load` makes once, and reads where it computed.
    let find
        (part: string)
        (load: (SessionOptions -> unit) -> Result<InferenceSession, McdrlError>)
        (ask: InferenceSession -> unit)
        : Result<OnnxPlacement, McdrlError> =
        Files.attempt (Path.GetTempPath()) (fun () -> Directory.CreateTempSubdirectory "mcdrl-bench-")
        |> Result.bind (fun folder ->
            try
                load (fun options ->
                    // In this order: profiling is enabled under the prefix that stands by then.
                    options.ProfileOutputPathPrefix <- Path.Combine(folder.FullName, "profile")
                    options.EnableProfiling <- true)
                |> Result.bind (fun session ->
                    let written =
                        use session = session
                        ask session
                        session.EndProfiling()

                    Files.attempt written (fun () ->
                        use profile = JsonDocument.Parse(File.ReadAllBytes written)
                        ofProfile part profile.RootElement))
            finally
                folder.Delete true)
