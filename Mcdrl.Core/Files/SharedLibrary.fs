namespace Mcdrl

open System
open System.Runtime.InteropServices

/// Native libraries by their file or name.
[<RequireQualifiedAccess>]
module SharedLibrary =
    /// The loader's own words, without .NET's general advice around them.
    let private loaderText (problem: exn) =
        problem.Message.Split '\n'
        |> Array.map _.Trim()
        |> Array.filter (fun line -> line.StartsWith '/' || line.StartsWith "lib")
        |> Array.distinct
        |> function
            | [||] -> problem.Message
            | lines -> String.concat "; " lines

    /// The handle of a library, by its path or by a name that the system looks up; else why not, in the loader's words.
    let load (path: string) : Result<nativeint, string> =
        try
            Ok(NativeLibrary.Load path)
        with
        | :? DllNotFoundException as problem -> Error(loaderText problem)
        | :? BadImageFormatException as problem -> Error(loaderText problem)
