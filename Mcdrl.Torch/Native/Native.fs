namespace Mcdrl

open System
open System.IO
open System.Reflection
open System.Runtime.InteropServices
open System.Text.RegularExpressions
open FsToolkit.ErrorHandling
open TorchSharp

/// What `Native.load` found and loaded.
type Native =
    {
        /// Version of the managed TorchSharp assembly.
        TorchSharp: string
        /// Version that the loaded libtorch reports.
        Libtorch: string
        /// Folder that libtorch came from.
        Folder: string
        /// The library of TorchSharp itself, `libLibTorchSharp.so`, as shipped.
        Bridge: string
        /// Whether a copy of it was loaded that does without a libstdc++ version the system lacks.
        Weakened: bool
        /// Whether this libtorch has its CUDA part. Says nothing of devices.
        Cuda: bool
    }

/// Loads libtorch before TorchSharp looks for it, so that it also works on Debian 12 and Ubuntu 22.04, whose
/// libstdc++ lacks the GLIBCXX_3.4.32 that TorchSharp 0.107 insists on without using it.
[<RequireQualifiedAccess>]
module Native =
    /// Environment variable that names another libtorch folder, e.g. one with CUDA.
    [<Literal>]
    let FolderVariable = "MCDRL_LIBTORCH"

    let private bridgeName = "libLibTorchSharp.so"
    let private cpuName = "libtorch_cpu.so"
    let private torchSharp = typeof<torch.Tensor>.Assembly

    let private torchSharpVersion =
        torchSharp.GetName().Version
        |> Option.ofObj
        |> Option.map string
        |> Option.defaultValue "unknown"

    /// Environment variable that names the version of that libtorch, for another than the one TorchSharp was built for.
    [<Literal>]
    let VersionVariable = "MCDRL_LIBTORCH_VERSION"

    /// The libtorch that this TorchSharp was built for, unless the user answers for another one. `torch.__version__` can't be
    /// asked: it loads libtorch.
    let private wantedLibtorch =
        match Environment.GetEnvironmentVariable VersionVariable with
        | null
        | "" -> "2.10.0"
        | version -> version

    let private missing what where =
        McdrlError.usage
            what
            where
            $"Install the packages again (dotnet fsi build.fsx build), or set {FolderVariable} to the folder of a libtorch {wantedLibtorch}"

    let private refused (path: string) reason =
        McdrlError.usage
            $"libtorch {wantedLibtorch} does not load: {reason}"
            path
            "Run `mcdrl doctor`, which prints what it looked for and found"

    let private besides (assembly: Assembly) =
        Path.GetDirectoryName assembly.Location
        |> Option.ofObj
        |> Option.filter ((<>) "")
        |> Option.toList

    /// Where .NET looks for the libraries that TorchSharp asks for by name, in its order.
    let private searchedByDotnet =
        let known =
            match AppContext.GetData "NATIVE_DLL_SEARCH_DIRECTORIES" with
            | :? string as folders ->
                folders.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
                |> List.ofArray
            | _ -> []

        known @ besides torchSharp |> List.map Path.TrimEndingDirectorySeparator

    /// The folders of unpacked packages around an assembly that lies in one, as in F# Interactive after `#r "nuget: …"`: its own, and
    /// that of libtorch in the same store. `<store>/<id>/<version>/lib/<framework>`
    let private packagesAround (folder: string) =
        let rec above count (folder: string) =
            match count, Path.GetDirectoryName folder |> Option.ofObj with
            | 0, _ -> Some folder
            | count, Some parent -> above (count - 1) parent
            | _, None -> None

        let isLibrary =
            above 1 folder |> Option.exists (fun lib -> Path.GetFileName lib = "lib")

        match above 2 folder, above 4 folder with
        | Some package, Some store when isLibrary ->
            [ package; Path.Combine(store, "libtorch-cpu-linux-x64", wantedLibtorch) ]
        | _ -> []

    /// Where the native files may lie: next to the assemblies, in their `runtimes`, in those of their packages, where .NET looks.
    let private searched =
        let assemblies = besides (Assembly.GetExecutingAssembly()) @ besides torchSharp

        let near =
            assemblies
            @ [ AppContext.BaseDirectory ]
            @ List.collect packagesAround assemblies
            |> List.collect (fun folder ->
                [ folder; Path.Combine(folder, "runtimes", "linux-x64", "native") ])

        near @ searchedByDotnet
        |> List.map Path.TrimEndingDirectorySeparator
        |> List.distinct

    let private find name folders =
        match folders |> List.tryFind (fun folder -> File.Exists(Path.Combine(folder, name))) with
        | Some folder -> Ok folder
        | None ->
            Error(
                missing
                    $"{name} (libtorch {wantedLibtorch}, linux-x64) not found"
                    (String.concat ", " folders)
            )

    let private libtorchFolder () =
        match Environment.GetEnvironmentVariable FolderVariable with
        | null
        | "" -> find cpuName searched
        | given ->
            let full = Path.GetFullPath given
            find cpuName [ full; Path.Combine(full, "lib") ]

    /// libtorch's files in the order in which they need each other; those of its CUDA part only if it has one.
    let private inOrder folder =
        let all pattern =
            Directory.GetFiles(folder, pattern) |> Array.sort |> List.ofArray

        let one name =
            let path = Path.Combine(folder, name)
            if File.Exists path then [ path ] else []

        all "libgomp*.so*"
        @ [ Path.Combine(folder, "libc10.so"); Path.Combine(folder, cpuName) ]
        @ one "libc10_cuda.so"
        @ one "libtorch_cuda.so"
        @ [ Path.Combine(folder, "libtorch.so") ]

    [<UnmanagedFunctionPointer(CallingConvention.Cdecl)>]
    type private AbiVersion = delegate of unit -> uint64

    /// The version a loaded libtorch_cpu states: one byte each for major, minor and patch, at the top.
    let private statedVersion handle =
        match NativeLibrary.TryGetExport(handle, "aoti_torch_abi_version") with
        | true, entry ->
            let version = Marshal.GetDelegateForFunctionPointer<AbiVersion>(entry).Invoke()
            $"{version >>> 56}.{version >>> 48 &&& 0xffUL}.{version >>> 40 &&& 0xffUL}"
        | false, _ -> "of an unknown version"

    /// Loads a libtorch folder; the handle of its libtorch_cpu.
    let private loadLibtorch folder =
        let load (path: string) =
            Files.attempt path (fun () -> Elf.whole path)
            |> Result.bind (Result.mapError (refused path))
            |> Result.bind (fun () -> SharedLibrary.load path |> Result.mapError (refused path))

        let wanted (path: string) handle =
            match statedVersion handle with
            | version when version = wantedLibtorch -> Ok handle
            | version ->
                Error(
                    missing
                        $"this libtorch is {version}, but TorchSharp {torchSharpVersion} needs {wantedLibtorch}"
                        path
                )

        inOrder folder
        |> List.fold
            (fun before path ->
                before
                |> Result.bind (fun cpu ->
                    load path
                    |> Result.bind (fun handle ->
                        if Path.GetFileName path = cpuName then
                            wanted path handle
                        else
                            Ok cpu)))
            (Ok 0n)

    let private missingVersion reason =
        let found = Regex.Match(reason, "version `(GLIBCXX_[0-9.]+)' not found")
        if found.Success then Some found.Groups[1].Value else None

    /// The handle of TorchSharp's library and whether it is a weakened copy.
    let private loadBridge (path: string) =
        match SharedLibrary.load path with
        | Ok handle -> Ok(handle, false)
        | Error reason ->
            match missingVersion reason with
            | None -> Error(refused path reason)
            | Some version ->
                Files.attempt path (fun () -> File.ReadAllBytes path)
                |> Result.bind (
                    Elf.weaken version
                    >> Result.bind (fun image -> SealedLibrary.under bridgeName image SharedLibrary.load)
                    >> Result.mapError (fun why -> refused path $"{reason} ({why})")
                )
                |> Result.map (fun handle -> handle, true)

    /// Gives TorchSharp the loaded library for each of its entry points, which would otherwise try the
    /// unweakened file first, one by one.
    let private answerFor handle =
        try
            NativeLibrary.SetDllImportResolver(
                torchSharp,
                DllImportResolver(fun name _ _ -> if name = "LibTorchSharp" then handle else 0n)
            )
        with :? InvalidOperationException ->
            // The application has a resolver of its own; TorchSharp then finds the library by its SONAME.
            ()

    /// Lets TorchSharp finish its own start with the libtorch `cpu` that is loaded, not the application's.
    let private start bridge folder cpu =
        let initialise () =
            try
                torch.InitializeDeviceType DeviceType.CPU
                Ok()
            with
            | :? TypeInitializationException as problem ->
                Error(refused bridge (problem.GetBaseException().Message))
            | :? NotSupportedException as problem -> Error(refused bridge problem.Message)

        match find cpuName searchedByDotnet with
        | Ok other when other <> folder ->
            LinkMap.under $"{other}/{cpuName}" cpu initialise
            |> Result.mapError (refused folder)
            |> Result.bind id
        | _ -> initialise ()

    let private loadOnce () =
        if
            not (OperatingSystem.IsLinux())
            || RuntimeInformation.ProcessArchitecture <> Architecture.X64
        then
            Error(
                McdrlError.usage
                    "libtorch is only packaged for Linux on x64"
                    $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}"
                    "Run Mcdrl on Linux x64"
            )
        else
            match find bridgeName searched, libtorchFolder () with
            | Error problem, _
            | _, Error problem -> Error problem
            | Ok bridgeFolder, Ok folder ->
                let bridge = Path.Combine(bridgeFolder, bridgeName)
                let cuda = File.Exists(Path.Combine(folder, "libtorch_cuda.so"))

                result {
                    NativeSettings.apply ()
                    let! cpu = loadLibtorch folder
                    let! handle, weakened = loadBridge bridge
                    answerFor handle
                    do! start bridge folder cpu

                    return
                        {
                            TorchSharp = torchSharpVersion
                            Libtorch = wantedLibtorch
                            Folder = folder
                            Bridge = bridge
                            Weakened = weakened
                            Cuda = cuda
                        }
                }

    let private loaded = lazy (loadOnce ())

    /// Loads libtorch once per process; call it before anything touches `torch`. Any number of threads may
    /// call it, any number of times. Errors name the library, the version and the loader's own reason.
    let load () : Result<Native, McdrlError> = loaded.Force()
