namespace Mcdrl

open System
open System.IO
open System.Net.Http
open System.Net.Http.Headers
open FsToolkit.ErrorHandling

/// What to fetch of a hub.
type HubRequest =
    {
        /// `OWNER/NAME`, or a name of `Hub.names`.
        Repository: string
        /// A branch, tag or commit; a commit never changes.
        Revision: string
        /// The weights file, where the repository has several.
        File: string option
        /// Lower-case hexadecimal sha256 that the weights must have.
        Sha256: string option
        /// The folder to put the files into; `None` for one of the cache.
        Out: string option
        /// The folder of the cache.
        Cache: string
        /// The hub's address.
        Address: string
        /// What identifies the caller to the hub, if anything.
        Token: string option
        /// Take what the cache holds, and never ask the network.
        Offline: bool
    }

/// What is there now.
type HubReport =
    {
        /// The folder of the weights, as `--weights` takes it.
        Folder: string
        /// The repository, `OWNER/NAME`.
        Repository: string
        /// The commit that the files are of.
        Commit: string
        /// The weights file and its sha256.
        Weights: string * string
        /// Bytes that were fetched; 0 where all was there.
        Fetched: int64
    }

/// What stands beside fetched files: where they came from.
type HubReceipt =
    {
        /// The hub's address.
        Hub: string
        /// The repository, `OWNER/NAME`.
        Repository: string
        /// The commit that the files are of.
        Commit: string
        /// sha256 of each file.
        Files: Map<string, string>
    }

/// Fetches weights from a hub in Hugging Face's layout: the only place that speaks to the network, and only when asked.
[<RequireQualifiedAccess>]
module Hub =
    /// Short names of repositories whose weights are known to fit.
    let names: (string * string) list =
        [
            "RN50", "timm/resnet50_clip.openai"
            "ViT-B-16", "timm/vit_base_patch16_clip_224.openai"
            "ViT-B-32", "timm/vit_base_patch32_clip_224.openai"
            "ViT-L-14", "timm/vit_large_patch14_clip_224.openai"
            "minilm", "sentence-transformers/all-MiniLM-L6-v2"
        ]

    /// The hub that is asked unless another is named.
    let address = "https://huggingface.co"

    /// What says where the files of a folder came from.
    let receiptName = "mcdrl-weights.json"

    /// Bytes of a listing.
    let private largestListing = 16_000_000L

    /// Bytes of a file that is no weights.
    let private largestCompanion = 64_000_000L

    let private pauses =
        [
            for seconds in [ 1.0; 2.0; 4.0; 8.0; 16.0 ] -> TimeSpan.FromSeconds(seconds: float)
        ]

    let private isName (part: string) =
        part <> "" && not (part.StartsWith '.') && FileName.ofText part = part

    let private repositoryOf (name: string) : Result<string, McdrlError> =
        match names |> List.tryFind (fun (short, _) -> short = name) with
        | Some(_, repository) -> Ok repository
        | None ->
            match name.Split '/' with
            | [| owner; own |] when isName owner && isName own -> Ok name
            | _ ->
                let listed = names |> List.map fst |> String.concat ", "

                Error(
                    McdrlError.usage
                        $"it is neither OWNER/NAME nor one of {listed}"
                        $"repository {name}"
                        "Name the weights as the hub does"
                )

    let private isRevision (revision: string) =
        revision <> "" && revision.Split '/' |> Array.forall isName

    let private isCommit (revision: string) =
        revision.Length = 40 && revision |> Seq.forall Char.IsAsciiHexDigitLower

    let private isSafe (uri: Uri) =
        uri.Scheme = "https" || (uri.Scheme = "http" && uri.IsLoopback)

    let private addressOf (address: string) : Result<string, McdrlError> =
        match Uri.TryCreate(address, UriKind.Absolute) with
        | true, NonNull uri when isSafe uri -> Ok(address.TrimEnd '/')
        | _ ->
            Error(
                McdrlError.usage
                    "a hub's address begins with https://"
                    $"hub {address}"
                    "Give such an address"
            )

    /// Where the cache keeps a repository.
    let private cached (request: HubRequest) (repository: string) =
        Path.Combine(request.Cache, "weights", repository.Replace('/', Path.DirectorySeparatorChar))

    let private client (token: string option) =
        let client = new HttpClient(Timeout = TimeSpan.FromMinutes 30.0)
        client.DefaultRequestHeaders.UserAgent.Add(ProductInfoHeaderValue("mcdrl", Product.release))

        token
        |> Option.iter (fun token ->
            client.DefaultRequestHeaders.Authorization <- AuthenticationHeaderValue("Bearer", token))

        client

    let private receiptOf (folder: string) =
        RecordJson.ofFile<HubReceipt>(Path.Combine(folder, receiptName))

    /// The report of a folder whose files are what its receipt says.
    let private reported repository folder fetched (receipt: HubReceipt) : Result<HubReport, McdrlError> =
        result {
            let! weights = Weights.locate folder
            let name = string (Path.GetFileName weights)

            let! digest =
                receipt.Files.TryFind name
                |> Result.requireSome (
                    McdrlError.data
                        $"its receipt says nothing of {name}"
                        folder
                        "Fetch it into another folder"
                )

            return
                {
                    Folder = folder
                    Repository = repository
                    Commit = receipt.Commit
                    Weights = name, digest
                    Fetched = fetched
                }
        }

    let private requireDigest (request: HubRequest) (report: HubReport) =
        match request.Sha256, report.Weights with
        | Some wanted, (name, found) when
            not (String.Equals(wanted, found, StringComparison.OrdinalIgnoreCase))
            ->
            Error(
                McdrlError.data
                    $"{name} has the sha256 {found}, not {wanted}"
                    report.Folder
                    "These are other weights: check the revision and the digest"
            )
        | _ -> Ok report

    /// A folder of the cache that holds the revision, whole: the commit itself, or the branch as it was when last asked.
    let private offline (request: HubRequest) repository : Result<HubReport, McdrlError> =
        result {
            let folder =
                request.Out
                |> Option.defaultWith (fun () -> Path.Combine(cached request repository, request.Revision))

            if not (File.Exists(Path.Combine(folder, receiptName))) then
                return!
                    Error(
                        McdrlError.data
                            "the weights are not there, and the network was not to be asked"
                            folder
                            "Fetch them once without “offline”"
                    )

            let! receipt = receiptOf folder

            for KeyValue(name, expected) in receipt.Files do
                let! found = Files.sha256 (Path.Combine(folder, name))

                do!
                    Result.requireTrue
                        (McdrlError.data
                            "its sha256 is not the one that it was fetched with"
                            (Path.Combine(folder, name))
                            "Delete the folder, and fetch it again")
                        (found = expected)

            return! reported repository folder 0L receipt
        }

    let private requireRoom folder (files: HubFile list) =
        let needed =
            files
            |> List.filter (fun file -> not (File.Exists(Path.Combine(folder, file.Name))))
            |> List.sumBy _.Size

        Files.attempt folder (fun () -> DriveInfo(Path.GetFullPath folder).AvailableFreeSpace)
        |> Result.bind (fun room ->
            if room > needed then
                Ok()
            else
                Error(
                    McdrlError.resource
                        $"{needed} bytes are to be fetched, and {room} are free"
                        folder
                        "Free some space, or choose another “out”"
                ))

    let private fetched
        pauses
        (request: HubRequest)
        repository
        (progress: Progress)
        : Result<HubReport, McdrlError> =
        result {
            let! hub = addressOf request.Address
            use client = client request.Token

            let connection: HubConnection =
                {
                    Client = client
                    Hub = hub
                    Pauses = pauses
                }

            let revision = Uri.EscapeDataString request.Revision
            let api = $"{hub}/api/models/{repository}/revision/{revision}?blobs=true"
            let! answer = HubTransfer.small connection largestListing api progress.Cancel
            let! listing = HubListing.parse api answer

            do!
                Result.requireTrue
                    (McdrlError.data
                        $"the hub answers with the commit {listing.Commit}, not the one that was asked for"
                        api
                        "Don't trust this hub")
                    (not (isCommit request.Revision) || listing.Commit = request.Revision)

            let! files = HubListing.choose $"{hub}/{repository}" request.File listing

            do!
                files
                |> List.rev
                |> List.tail
                |> List.tryFind (fun file -> file.Size > largestCompanion)
                |> Option.map (fun file ->
                    Error(
                        McdrlError.data
                            $"{file.Name} has {file.Size} bytes, more than {largestCompanion}"
                            $"{hub}/{repository}"
                            "Don't trust this repository"
                    ))
                |> Option.defaultValue (Ok())

            let folder =
                request.Out
                |> Option.defaultWith (fun () -> Path.Combine(cached request repository, request.Revision))

            do! Files.attempt folder (fun () -> Directory.CreateDirectory folder |> ignore)
            use! _held = FileLock.wait (Path.Combine(folder, ".lock")) progress.Cancel
            do! requireRoom folder files
            let mutable bytes = 0L

            for file in files do
                let path = Path.Combine(folder, file.Name)

                if not (HubTransfer.isThere path file) then
                    let address =
                        $"{hub}/{repository}/resolve/{listing.Commit}/{Uri.EscapeDataString file.Name}"

                    let told (there: int64) =
                        progress.Tell
                            {
                                Stage = $"fetching {file.Name}"
                                Done = int (there >>> 20)
                                Total = int (file.Size >>> 20)
                                Note = "MiB"
                            }

                    do! HubTransfer.fetch connection address path file told progress.Cancel
                    bytes <- bytes + file.Size

            let! digests =
                files
                |> List.traverseResultM (fun file ->
                    Files.sha256 (Path.Combine(folder, file.Name))
                    |> Result.map (fun digest -> file.Name, digest))

            let receipt =
                {
                    Hub = hub
                    Repository = repository
                    Commit = listing.Commit
                    Files = Map.ofList digests
                }

            do! Files.writeText (Path.Combine(folder, receiptName)) (RecordJson.render receipt)
            return! reported repository folder bytes receipt
        }

    /// `get` with these pauses between attempts.
    let internal getWith pauses (request: HubRequest) (progress: Progress) : Result<HubReport, McdrlError> =
        result {
            let! repository = repositoryOf request.Repository

            do!
                Result.requireTrue
                    (McdrlError.usage
                        "it is no branch, tag or commit"
                        $"revision {request.Revision}"
                        "Name one as git does, e.g. main")
                    (isRevision request.Revision)

            let! report =
                if request.Offline then
                    offline request repository
                else
                    fetched pauses request repository progress

            return! requireDigest request report
        }

    /// Fetches weights with what is read beside them, each file verified by the digest that the hub states, and writes a receipt. What is
    /// there already is not fetched again; what breaks off goes on where it stopped.
    let get (request: HubRequest) (progress: Progress) : Result<HubReport, McdrlError> =
        getWith pauses request progress
