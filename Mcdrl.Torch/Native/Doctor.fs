namespace Mcdrl

open System
open System.IO
open System.Runtime.InteropServices
open System.Text
open System.Text.RegularExpressions
open TorchSharp

/// What the machine offers and what Mcdrl makes of it.
type Diagnosis =
    {
        /// Version of Mcdrl, with the commit where the build knew it.
        Mcdrl: string
        /// The .NET runtime and its version.
        Runtime: string
        /// The operating system and its architecture.
        System: string
        /// Version of the C library; empty where it isn't glibc.
        Glibc: string
        /// Newest symbol version of the C++ library that is loaded; empty where there is none.
        Glibcxx: string
        /// The processor's model; its architecture where the system doesn't tell.
        Processor: string
        /// Logical processors this process may use.
        Processors: int
        /// Those of `avx2`, `avx512`, `avx512_bf16`, `amx_bf16` that the processor has.
        Features: string list
        /// Bytes this process may use, container limits included.
        Memory: int64
        /// What was loaded, or the real cause why not.
        Native: Result<Native, McdrlError>
        /// Threads of one libtorch operation; 0 where it didn't load.
        Threads: int
        /// Devices that `--device` accepts, the CPU first.
        Devices: string list
    }

/// Looks at the machine; changes nothing.
[<RequireQualifiedAccess>]
module Doctor =
    [<DllImport("libc", EntryPoint = "gnu_get_libc_version")>]
    extern nativeint private libcVersion()

    let private glibc () =
        try
            Marshal.PtrToStringUTF8(libcVersion ())
            |> Option.ofObj
            |> Option.defaultValue ""
        with
        | :? DllNotFoundException
        | :? EntryPointNotFoundException -> ""

    let private linesOf path =
        try
            File.ReadAllLines path
        with
        | :? IOException
        | :? UnauthorizedAccessException -> [||]

    /// The newest GLIBCXX version named in the libstdc++ of this process.
    let private glibcxx () =
        linesOf "/proc/self/maps"
        |> Array.tryFind (fun line -> line.Contains "/libstdc++.so")
        |> Option.map (fun line -> line.Substring(line.IndexOf '/'))
        |> Option.bind (fun path -> Files.attempt path (fun () -> File.ReadAllBytes path) |> Result.toOption)
        |> Option.map (fun image ->
            Regex.Matches(Encoding.Latin1.GetString image, "GLIBCXX_([0-9]+\\.[0-9]+\\.[0-9]+)")
            |> Seq.map (fun found -> Version.Parse found.Groups[1].Value)
            |> Seq.fold max (Version(0, 0, 0))
            |> string)
        |> Option.defaultValue ""

    let private processor () =
        linesOf "/proc/cpuinfo"
        |> Array.tryFind (fun line -> line.StartsWith "model name")
        |> Option.map (fun line -> line.Substring(line.IndexOf ':' + 1).Trim())
        |> Option.defaultValue (string RuntimeInformation.ProcessArchitecture)

    /// Everything `mcdrl doctor` prints.
    let examine () : Diagnosis =
        let native = Native.load ()

        let devices =
            match Device.cudaCount () with
            | Ok count -> "cpu" :: List.init count (sprintf "cuda:%d")
            | Error _ -> []

        {
            Mcdrl = Product.version
            Runtime = RuntimeInformation.FrameworkDescription
            System = $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}"
            Glibc = glibc ()
            Glibcxx = glibcxx ()
            Processor = processor ()
            Processors = Environment.ProcessorCount
            Features = Processor.features
            Memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes
            Native = native
            Threads =
                match native with
                | Ok _ -> torch.get_num_threads ()
                | Error _ -> 0
            Devices = devices
        }
