namespace Mcdrl.Tests

open System
open System.Text.RegularExpressions

/// The rules of the house. Each gives its complaints, none if it holds.
[<RequireQualifiedAccess>]
module Rules =
    /// Each project, the projects that it may stand on, directly or through others, and the packages that it may name.
    let projects =
        let everywhere = [ "FSharp.Core" ]
        let results = "FsToolkit.ErrorHandling"
        let api = "Microsoft.CodeAnalysis.PublicApiAnalyzers"
        let onnx = [ "Mcdrl.Core"; "Mcdrl.Onnx" ]
        let torch = [ "Mcdrl.Core"; "Mcdrl.Model" ]
        let training = onnx @ torch @ [ "Mcdrl.Torch"; "Mcdrl.Phantom" ]

        [
            "Mcdrl.Core",
            [],
            [
                results
                "SkiaSharp"
                "SkiaSharp.NativeAssets.Linux.NoDependencies"
                "BitMiracle.LibTiff.NET"
            ]
            "Mcdrl.Onnx", [ "Mcdrl.Core" ], [ results; "Microsoft.ML.OnnxRuntime" ]
            "Mcdrl.Phantom", [ "Mcdrl.Core" ], []
            "Mcdrl.Dicom", [ "Mcdrl.Core" ], [ results; "CliWrap" ]
            "Mcdrl.Video", [ "Mcdrl.Core" ], [ results; "CliWrap" ]
            "Mcdrl.Serve", [ "Mcdrl.Core" ], [ results; "prometheus-net.AspNetCore" ]
            "Mcdrl.Model", [ "Mcdrl.Core" ], [ "TorchSharp" ]
            "Mcdrl.Torch", torch, [ results; "TorchSharp"; "libtorch-cpu-linux-x64" ]
            "Mcdrl.Training",
            training,
            [ results; "TorchSharp"; "Microsoft.ML.Tokenizers"; "Google.Protobuf" ]
            "Mcdrl.Lab",
            training @ [ "Mcdrl.Training" ],
            [
                results
                "TorchSharp"
                "Giraffe.ViewEngine"
                "SkiaSharp"
                "Microsoft.ML.OnnxRuntime"
            ]
            "Mcdrl.Cli",
            training
            @ [ "Mcdrl.Training"; "Mcdrl.Lab"; "Mcdrl.Dicom"; "Mcdrl.Serve"; "Mcdrl.Video" ],
            [ "Argu"; "Spectre.Console" ]
            "Mcdrl.Cli.Onnx", onnx, [ results; "Argu"; "Spectre.Console" ]
            "Mcdrl.CSharpApi.Onnx", onnx, [ api; "SkiaSharp" ]
            "Mcdrl.CSharpApi", onnx @ torch @ [ "Mcdrl.Torch"; "Mcdrl.CSharpApi.Onnx" ], [ api ]
            "Mcdrl.Hosting",
            onnx @ [ "Mcdrl.CSharpApi.Onnx" ],
            [ api; "Microsoft.Extensions.Diagnostics.HealthChecks" ]
        ]
        |> List.map (fun (name, below, packages) -> name, (Set below, Set(everywhere @ packages)))
        |> Map

    /// Each folder and what it may use: folders, or whole projects.
    let folders =
        let values, files, images =
            "Mcdrl.Core/Values", "Mcdrl.Core/Files", "Mcdrl.Core/Images"

        let formats, drawing, segment =
            "Mcdrl.Core/Formats", "Mcdrl.Core/Drawing", "Mcdrl.Core/Segment"

        let tensors, method, towers, rivals =
            "Mcdrl.Model/Tensors", "Mcdrl.Model/Method", "Mcdrl.Model/Towers", "Mcdrl.Model/Rivals"

        let native, bundle = "Mcdrl.Torch/Native", "Mcdrl.Torch/Bundle"

        let data, weights, train =
            "Mcdrl.Training/Data", "Mcdrl.Training/Weights", "Mcdrl.Training/Train"

        let pages = "Mcdrl.Lab/Page"

        let below =
            [
                "Mcdrl.Core"
                "Mcdrl.Phantom"
                "Mcdrl.Model"
                "Mcdrl.Torch"
                "Mcdrl.Training"
            ]

        [
            values, []
            files, [ values ]
            images, [ values; files ]
            formats, [ values; files; images ]
            drawing, [ values; files; images ]
            segment, [ values; files; images; drawing ]

            "Mcdrl.Onnx", [ values; files; segment ]
            "Mcdrl.Phantom", [ values ]
            "Mcdrl.Dicom", [ values; files; images; segment ]
            "Mcdrl.Video", [ values; files; images; drawing; segment ]
            "Mcdrl.Serve", [ values; files; images; formats; drawing; segment ]

            tensors, [ values ]
            method, [ values; tensors ]
            towers, [ values; tensors; method ]
            rivals, [ values; tensors; method; towers ]
            "Mcdrl.Model/Learning", [ values; tensors; method; rivals ]

            native, [ values; files; tensors; towers ]
            bundle, [ values; files; tensors; method; towers; rivals ]
            "Mcdrl.Torch/Segment", [ values; segment; tensors; method; towers; rivals; native; bundle ]

            data, [ values; files; images; "Mcdrl.Phantom"; native ]
            weights, [ values; files; images; tensors; method; towers; rivals; native; bundle ]
            train, [ values; files; "Mcdrl.Model"; native; bundle; data; weights ]
            "Mcdrl.Training/Evaluate", [ values; files; "Mcdrl.Phantom"; "Mcdrl.Model"; "Mcdrl.Torch"; data ]
            "Mcdrl.Training/Export",
            [ values; files; "Mcdrl.Onnx"; "Mcdrl.Phantom"; "Mcdrl.Model"; "Mcdrl.Torch" ]

            "Mcdrl.Lab/Import", [ values; files; images; formats; data ]
            "Mcdrl.Lab/Hub", [ values; files; weights ]
            "Mcdrl.Lab/Pretrain", below
            "Mcdrl.Lab/Bench", "Mcdrl.Onnx" :: below
            pages, [ values; images; drawing; "Mcdrl.Training/Evaluate" ]
            "Mcdrl.Lab/Annotate", pages :: below
            "Mcdrl.Lab/Experiment", pages :: below
            "Mcdrl.Lab/Card", pages :: below
            "Mcdrl.Lab/Demo", pages :: below
            "Mcdrl.Lab/Study", "Mcdrl.Lab/Pretrain" :: pages :: below

            "Mcdrl.Cli/App", [ values; files; bundle ]
            "Mcdrl.Cli/Deploy", [ values; "Mcdrl.Cli/App" ]
            "Mcdrl.Cli/Verbs",
            [
                "Mcdrl.Cli/App"
                "Mcdrl.Cli/Deploy"
                "Mcdrl.Onnx"
                "Mcdrl.Lab"
                "Mcdrl.Dicom"
                "Mcdrl.Serve"
                "Mcdrl.Video"
            ]
            @ below
            "Mcdrl.Cli", [ "Mcdrl.Cli/App"; "Mcdrl.Cli/Verbs" ]
            "Mcdrl.Cli.Onnx",
            [
                files
                images
                segment
                formats
                "Mcdrl.Onnx"
                "Mcdrl.Cli/App"
                "Mcdrl.Cli/Verbs"
            ]
        ]
        |> Map

    /// Projects that nothing of TorchSharp or libtorch may reach.
    let withoutTorch =
        Set
            [
                "Mcdrl.Core"
                "Mcdrl.Onnx"
                "Mcdrl.Phantom"
                "Mcdrl.Dicom"
                "Mcdrl.Video"
                "Mcdrl.Serve"
                "Mcdrl.Cli.Onnx"
                "Mcdrl.CSharpApi.Onnx"
                "Mcdrl.Hosting"
            ]

    /// Projects that no native library of torch may reach.
    let withoutLibtorch = withoutTorch.Add "Mcdrl.Model"

    /// Lines that a file may have.
    let longest = 500

    /// Projects stand on those alone that the table allows, and name those packages alone.
    let projectArrows (house: House) : string list =
        [
            for project in house.Projects do
                match projects.TryFind project.Name with
                | None -> $"{project.Name}: is not in the table of projects"
                | Some(below, packages) ->
                    for other in House.standsOn house project - below do
                        $"{project.Name}: stands on {other}"

                    for package in Set project.Packages - packages do
                        $"{project.Name}: names the package {package}"
        ]

    /// No project stands on itself.
    let projectCycles (house: House) : string list =
        [
            for project in house.Projects do
                if (House.standsOn house project).Contains project.Name then
                    $"{project.Name}: stands on itself"
        ]

    /// Who is without torch has it neither from a package of its own nor from a project that it stands on.
    let torchReach (house: House) : string list =
        [
            for project in house.Projects do
                let below = House.standsOn house project

                for part in house.Projects do
                    if part.Name = project.Name || below.Contains part.Name then
                        for package in part.Packages do
                            let isNative = package.StartsWith("libtorch", StringComparison.OrdinalIgnoreCase)
                            let isTorch = isNative || package.StartsWith "TorchSharp"

                            if
                                isTorch && withoutTorch.Contains project.Name
                                || isNative && withoutLibtorch.Contains project.Name
                            then
                                $"{project.Name}: reaches {package} through {part.Name}"
        ]

    /// The files of a folder stand together in the order of compilation.
    let stretches (house: House) : string list =
        let step (complaints, closed: Set<string>, current) (project: Project, path) =
            let folder = House.folderOf path

            if folder = current then
                complaints, closed, current
            else
                let complaints =
                    if closed.Contains folder then
                        $"{path}: {folder} begins a second time in {project.Name}" :: complaints
                    else
                        complaints

                complaints, closed.Add current, folder

        house.Projects
        |> List.collect (fun project ->
            let complaints, _, _ =
                project.Compiled
                |> List.map (fun path -> project, path)
                |> List.fold step ([], Set.empty, "")

            List.rev complaints)

    let private betweenFolders (house: House) =
        House.arrows house
        |> List.map (fun arrow -> House.folderOf arrow.From, House.folderOf arrow.To, arrow)
        |> List.filter (fun (user, usedBy, _) -> user <> usedBy)

    let private tell (arrow: Arrow) =
        $"{arrow.From}: uses {arrow.Name} of {arrow.To}"

    /// A folder uses those alone that the table allows.
    let folderArrows (house: House) : string list =
        [
            for folder in
                house.Projects
                |> List.collect _.Compiled
                |> List.map House.folderOf
                |> List.distinct do
                if not (folders.ContainsKey folder) then
                    $"{folder}: is not in the table of folders"

            for user, other, arrow in betweenFolders house do
                match folders.TryFind user with
                | Some allowed when
                    not (List.contains other allowed || List.contains (House.roomOf arrow.To) allowed)
                    ->
                    tell arrow
                | _ -> ()
        ]

    /// No folder uses itself through others.
    let folderCycles (house: House) : string list =
        let arrows = betweenFolders house

        let cyclic =
            arrows |> List.map (fun (user, other, _) -> user, other) |> Set |> House.cyclic

        [
            for user, other, arrow in arrows do
                if cyclic.Contains(user, other) then
                    tell arrow
        ]

    /// What the tables allow has no cycle either. A whole project stands for each of its folders.
    let tableCycles (table: Map<string, string list>) : string list =
        let inside (name: string) =
            table
            |> Map.keys
            |> Seq.filter (fun folder -> folder = name || folder.StartsWith(name + "/"))

        [
            for KeyValue(folder, allowed) in table do
                for name in allowed do
                    for other in inside name do
                        folder, other
        ]
        |> Set
        |> House.cyclic
        |> Seq.map (fun (folder, other) -> $"{folder}: may use {other}, which leads back")
        |> List.ofSeq

    /// Every file is compiled.
    let forgotten (house: House) : string list =
        let compiled = house.Projects |> List.collect _.Compiled |> Set

        [
            for source in house.Sources do
                if not (compiled.Contains source.Path) then
                    $"{source.Path}: no project compiles it"
        ]

    /// No file is too long.
    let tooLong (house: House) : string list =
        [
            for source in house.Sources do
                if source.Lines > longest then
                    $"{source.Path}: has {source.Lines} lines, more than {longest}"
        ]

    /// Wherever a name may be used, one file alone declares it, so that whoever reads it knows where to look.
    let declaredTwice (house: House) : string list =
        house.Projects
        |> List.collect (fun project ->
            House.within house project
            |> List.collect (fun source -> [ for name in House.declaredBy source -> name, source.Path ])
            |> List.groupBy fst
            |> List.filter (fun (_, places) -> places.Length > 1)
            |> List.map (fun (name, places) ->
                let files = places |> List.map snd |> String.concat " and "
                $"{files}: declare {name}"))
        |> List.distinct

    /// Modules that open themselves, whose functions are used without a name, are those of tensors alone.
    let openedByThemselves (house: House) : string list =
        [
            for source in house.Sources do
                if
                    House.folderOf source.Path <> "Mcdrl.Model/Tensors"
                    && Regex.IsMatch(source.Code, @"^\[<AutoOpen>\]\s+module", RegexOptions.Multiline)
                then
                    $"{source.Path}: opens itself"
        ]

    /// Folders that hold values and functions alone.
    let private isPure (path: string) =
        [ "Mcdrl.Core/Values"; "Mcdrl.Phantom" ] |> List.contains (House.folderOf path)
        || House.roomOf path = "Mcdrl.Model"

    /// What a pure function has no use for, by what it is.
    let private effects =
        [
            "a file", @"\b(?:File|FileInfo|FileStream|Directory|DirectoryInfo)\b"
            "the console", @"\bConsole\.|\be?printfn?\b"
            "the environment", @"\b(?:Environment|AppContext|AppDomain|Process)\."
            "a clock", @"\b(?:DateTime|DateTimeOffset|Stopwatch|TimeProvider)\b"
            "ambient randomness",
            @"\bRandom\s*\(|\bRandom\.Shared\b|\bGuid\.NewGuid\b|\bmanual_seed\b|\btorch\.(?:rand\w*|normal|bernoulli)\b(?!.*\bgenerator\b)"
            "a variable for all",
            @"^ {0,4}let\s+(?:(?:private|internal)\s+)*mutable\b|\bstatic\s+(?:val|let)\s+mutable\b"
        ]
        |> List.map (fun (what, pattern) -> what, Regex(pattern, RegexOptions.Multiline))

    /// The functional core neither sees nor changes anything but its arguments.
    let impure (house: House) : string list =
        [
            for source in house.Sources do
                if isPure source.Path then
                    for what, pattern in effects do
                        let found = pattern.Match source.Code

                        if found.Success then
                            $"{source.Path}: {what}: {found.Value.Trim()}"
        ]

    /// The folders that may speak to a network: one asks, one answers.
    let private networks = [ "Mcdrl.Lab/Hub/"; "Mcdrl.Serve/" ]

    let private network =
        Regex
            @"\bSystem\.Net\.(?:Http|Sockets)\b|\bMicrosoft\.AspNetCore\b|\b(?:HttpClient|HttpListener|TcpClient|TcpListener|WebRequest|Dns)\b"

    /// Nothing reaches out to a network, or listens to one, elsewhere.
    let networked (house: House) : string list =
        [
            for source in house.Sources do
                if not (networks |> List.exists source.Path.StartsWith) then
                    let found = network.Match source.Code

                    if found.Success then
                        $"{source.Path}: {found.Value.Trim()}"
        ]

    /// `.add` with its argument in brackets.
    let private added =
        Regex @"(?<!\b(?:OnnxOp|Map|Set))\.add_?\s*\((?>[^()]+|\((?<open>)|\)(?<-open>))*(?(open)(?!))\)"

    /// A tensor is added to another with a factor that somebody holds, see `Tensors.unity`.
    let scalarsFreed (house: House) : string list =
        [
            for source in house.Sources do
                for found in added.Matches source.Code do
                    if not (Regex.IsMatch(found.Value, @",\s*[\w\[\]]+\)$")) then
                        let sum = Regex.Replace(found.Value, @"\s+", " ")
                        $"{source.Path}: {sum}"
        ]

    /// TorchSharp's conversions of a tensor to a number go by a `Scalar` that nobody holds: the collector may free it before libtorch
    /// has read it, and then libtorch ends the process. `item` reads the tensor's memory.
    let numbersRead (house: House) : string list =
        [
            for source in house.Sources do
                for found in
                    Regex.Matches(
                        source.Code,
                        @"\.To(?:Boolean|Single|Double|S?Byte|Int(?:16|32|64))\s*\(\s*\)"
                    ) do
                    $"{source.Path}: {found.Value}, write item<...>()"
        ]

    /// All of them, by name.
    let all: (string * (House -> string list)) list =
        [
            "projects stand on those below alone", projectArrows
            "no project stands on itself", projectCycles
            "torch is where it belongs alone", torchReach
            "a folder is one stretch of the order of compilation", stretches
            "folders use those below alone", folderArrows
            "no folder uses itself through others", folderCycles
            "every file is compiled", forgotten
            "no file is too long", tooLong
            "a name is declared in one file alone", declaredTwice
            "modules that open themselves are those of tensors", openedByThemselves
            "the core is pure", impure
            "the network is two folders' business", networked
            "sums of tensors outlive the collector", scalarsFreed
            "numbers are read out of tensors that are held", numbersRead
        ]
