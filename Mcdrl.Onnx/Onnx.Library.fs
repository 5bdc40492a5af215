namespace Mcdrl

open System
open System.Diagnostics
open System.IO
open System.Runtime.InteropServices
open FsToolkit.ErrorHandling
open Microsoft.ML.OnnxRuntime

/// The native library of ONNX Runtime that this process computes with.
type OnnxLibrary =
    {
        /// What it states.
        Version: string
        /// The folder that it came from.
        Folder: string
        /// Whether it was built to load its CUDA provider. Says nothing of devices.
        Cuda: bool
    }

/// Loads ONNX Runtime's native library: the one that comes with Mcdrl or with the application, or another one.
[<RequireQualifiedAccess>]
module OnnxLibrary =
    /// Environment variable that names the folder of another ONNX Runtime, e.g. one with CUDA.
    [<Literal>]
    let FolderVariable = "MCDRL_ONNXRUNTIME"

    [<DllImport("libc")>]
    extern int private setenv(string name, string value, int overwrite)

    /// From 1.29 on ONNX Runtime reports to its makers unless this stands in the environment before its library loads: .NET's own
    /// variables reach a library on Windows alone, and `DisableTelemetryEvents` comes after the first report.
    let private silence () =
        let name, value = "ORT_DISABLE_TELEMETRY", "1"

        if OperatingSystem.IsWindows() then
            Environment.SetEnvironmentVariable(name, value)
        else
            setenv (name, value, 1) |> ignore

    let private managed = typeof<InferenceSession>.Assembly

    /// The version that the managed half was built for: an older library lacks functions that it calls.
    let private wanted =
        managed.GetName().Version |> Option.ofObj |> Option.defaultValue (Version(1, 0))

    let private fileName =
        if OperatingSystem.IsWindows() then "onnxruntime.dll"
        elif OperatingSystem.IsMacOS() then "libonnxruntime.dylib"
        else "libonnxruntime.so"

    let private unusable what where =
        McdrlError.usage
            what
            where
            $"Set {FolderVariable} to the folder of an ONNX Runtime {wanted.ToString 2} or newer, or unset it"

    let private absent () =
        McdrlError.resource
            "ONNX Runtime's native library is not there"
            AppContext.BaseDirectory
            "Build or install Mcdrl again"

    /// The file in the folder that was named, in its `lib`, or where a package has it.
    let private find (given: string) =
        let full = Path.GetFullPath given

        let folders =
            [
                full
                Path.Combine(full, "lib")
                Path.Combine(full, "runtimes", RuntimeInformation.RuntimeIdentifier, "native")
            ]

        folders
        |> List.map (fun folder -> Path.Combine(folder, fileName))
        |> List.tryFind File.Exists
        |> Result.requireSome (unusable $"there is no {fileName} in it" full)

    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private Asked = delegate of unit -> nativeint

    let private ask (entry: nativeint) =
        Marshal.GetDelegateForFunctionPointer<Asked>(entry).Invoke()

    /// What a loaded library states of itself: the second of the two functions that its one export gives.
    let private statedVersion handle =
        match NativeLibrary.TryGetExport(handle, "OrtGetApiBase") with
        | true, entry ->
            ask (Marshal.ReadIntPtr(ask entry, IntPtr.Size))
            |> Marshal.PtrToStringUTF8
            |> Option.ofObj
        | false, _ -> None

    let internal isNewEnough (version: string) =
        match Version.TryParse(version.Split('-')[0]) with
        | true, found -> nonNull found >= Version(wanted.Major, wanted.Minor)
        | false, _ -> false

    let private openFile (path: string) =
        result {
            let refused reason =
                unusable $"it does not load: {reason}" path

            if OperatingSystem.IsLinux() then
                do!
                    Files.attempt path (fun () -> Elf.whole path)
                    |> Result.bind (Result.mapError refused)

            let! handle = SharedLibrary.load path |> Result.mapError refused

            let! version =
                statedVersion handle
                |> Result.requireSome (unusable "it is no ONNX Runtime" path)

            do!
                isNewEnough version
                |> Result.requireTrue (
                    unusable $"this ONNX Runtime is {version}, and Mcdrl needs {wanted.ToString 2}" path
                )

            return handle
        }

    /// Gives ONNX Runtime's managed half this library. Who has loaded ONNX Runtime before, or has a way of their own to, keeps theirs.
    let private answerFor path handle =
        try
            OrtEnv.DisableDllImportResolver <- true

            NativeLibrary.SetDllImportResolver(
                managed,
                DllImportResolver(fun name _ _ ->
                    if Path.GetFileNameWithoutExtension name = "onnxruntime" then
                        handle
                    else
                        0n)
            )

            Ok()
        with :? InvalidOperationException ->
            Error(
                McdrlError.usage
                    "the application has loaded ONNX Runtime before, or has a way of its own to"
                    path
                    $"Unset {FolderVariable}, and give the application that library itself"
            )

    /// Lets ONNX Runtime start with the library that is there, telling errors alone.
    let private start () =
        try
            if not OrtEnv.IsCreated then
                let mutable options =
                    EnvironmentCreationOptions(
                        logId = "mcdrl",
                        logLevel = Nullable OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR
                    )

                OrtEnv.CreateInstanceWithOptions(&options) |> ignore

            Ok()
        with
        | :? TypeInitializationException as problem when (problem.GetBaseException() :? DllNotFoundException) ->
            Error(absent ())
        | :? DllNotFoundException -> Error(absent ())
        // The application has started it meanwhile, with options of its own.
        | :? OnnxRuntimeException when OrtEnv.IsCreated -> Ok()

    let private loadOnce () =
        silence ()

        match Environment.GetEnvironmentVariable FolderVariable with
        | null
        | "" -> start () |> Result.map (fun () -> None)
        | given ->
            result {
                let! path = find given
                let! handle = openFile path
                do! answerFor path handle
                do! start ()
                return Some path
            }

    /// The file that was named, if one was.
    let private loaded = lazy (loadOnce ())

    /// Loads it once per process; call it before anything touches ONNX Runtime. Any number of threads may call it, any number of
    /// times. A folder that holds none, or an older one, is a `Usage` error; nothing to load a `Resource` error.
    let load () : Result<unit, McdrlError> = loaded.Force() |> Result.ignore

    /// The file that the system has loaded.
    let private loadedFile () =
        use current = Process.GetCurrentProcess()

        current.Modules
        |> Seq.cast<ProcessModule>
        |> Seq.map _.FileName
        |> Seq.tryFind (fun path -> (nonNull (Path.GetFileName path)).StartsWith fileName)

    /// What `load` loaded, and from where.
    let examine () : Result<OnnxLibrary, McdrlError> =
        loaded.Force()
        |> Result.map (fun named ->
            {
                Version = OrtEnv.Instance().GetVersionString()
                Cuda =
                    OrtEnv.Instance().GetAvailableProviders()
                    |> Array.contains "CUDAExecutionProvider"
                Folder =
                    named
                    |> Option.orElseWith loadedFile
                    |> Option.bind (Path.GetDirectoryName >> Option.ofObj)
                    |> Option.defaultValue AppContext.BaseDirectory
            })
