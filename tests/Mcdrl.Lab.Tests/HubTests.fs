module Mcdrl.Tests.HubTests

open System
open System.IO
open System.Text
open System.Threading
open Expecto
open Mcdrl
open Mcdrl.Tests

let private weights =
    Array.init 3_000_000 (fun index -> byte (index * 7 + index / 256))

let private files =
    [
        {
            Name = "config.json"
            Bytes = Encoding.UTF8.GetBytes """{"model_type": "clip"}"""
            IsLarge = false
        }
        {
            Name = "model.safetensors"
            Bytes = weights
            IsLarge = true
        }
        {
            Name = "pytorch_model.bin"
            Bytes = [| 1uy |]
            IsLarge = true
        }
        {
            Name = "../evil.safetensors"
            Bytes = [| 1uy |]
            IsLarge = true
        }
    ]

let private repository = "someone/small-clip"

let private request (hub: FakeHub) folder : HubRequest =
    {
        Repository = repository
        Revision = "main"
        File = None
        Sha256 = None
        Out = None
        Cache = folder
        Address = hub.Address
        Token = None
        Offline = false
    }

let private get request =
    Hub.getWith (List.replicate 3 (TimeSpan.FromMilliseconds 1.0)) request Progress.none

let private within (work: FakeHub -> string -> unit) =
    Folder.temporary (fun folder ->
        use hub = new FakeHub(repository, files)
        work hub folder)

let private read (report: HubReport) name =
    File.ReadAllBytes(Path.Combine(report.Folder, name))

let private names (report: HubReport) =
    Directory.GetFiles report.Folder
    |> Array.map (Path.GetFileName >> string)
    |> Array.filter ((<>) ".lock")
    |> Array.sort
    |> List.ofArray

let private whole = [ "config.json"; "mcdrl-weights.json"; "model.safetensors" ]

let private resolved (hub: FakeHub) =
    hub.Requests |> List.filter _.Contains("/resolve/")

let tests =
    testSequenced (
        testList
            "Hub"
            [
                test "weights and what is read beside them are fetched, once, with a receipt" {
                    within (fun hub folder ->
                        let report = Outcome.ok (get (request hub folder))
                        Expect.equal (names report) whole "nothing else, and nothing outside"
                        Expect.equal (read report "model.safetensors") weights "the bytes"
                        Expect.equal report.Commit hub.Commit "the commit"
                        Expect.equal (fst report.Weights) "model.safetensors" "the weights"

                        Expect.equal
                            (snd report.Weights)
                            (Outcome.ok (Files.sha256 (Path.Combine(report.Folder, "model.safetensors"))))
                            "sha256"

                        Expect.equal report.Fetched (files[0..1] |> List.sumBy _.Bytes.LongLength) "bytes"
                        let asked = (resolved hub).Length
                        Expect.equal (Outcome.ok (get (request hub folder))).Fetched 0L "all is there"
                        Expect.equal (resolved hub).Length asked "nothing is fetched again"
                        let evil = Directory.GetFiles(folder, "evil*", SearchOption.AllDirectories)
                        Expect.isEmpty evil "a name that leads elsewhere is no file")
                }

                test "offline takes what is there, verified, and asks nobody" {
                    within (fun hub folder ->
                        let offline =
                            { request hub folder with
                                Offline = true
                            }

                        get offline |> Outcome.refusedWith 4 [ "not there"; "“offline”" ]
                        Expect.isEmpty hub.Requests "silent"
                        let report = Outcome.ok (get (request hub folder))
                        let asked = hub.Requests.Length
                        let again = Outcome.ok (get offline)
                        Expect.equal again { report with Fetched = 0L } "the same"
                        let path = Path.Combine(report.Folder, "model.safetensors")
                        File.WriteAllBytes(path, Crafted.flip 17 weights)
                        get offline |> Outcome.refusedWith 4 [ path; "sha256" ]
                        Expect.equal hub.Requests.Length asked "silent all the while"
                        let mended = Outcome.ok (get (request hub folder))

                        Expect.equal
                            (read mended "model.safetensors")
                            weights
                            "fetched anew where the network may be asked")
                }

                test "a transfer that breaks off goes on where it stopped" {
                    within (fun hub folder ->
                        hub.Fault <- HubFault.BreaksOff(2, 1_000_000)
                        let report = Outcome.ok (get (request hub folder))
                        Expect.equal (read report "model.safetensors") weights "the bytes"
                        Expect.equal (names report) whole "no part is left"

                        let ranges =
                            resolved hub
                            |> List.filter _.Contains("bytes=")
                            |> List.map (fun line ->
                                int64 (line.Substring(line.IndexOf '=' + 1).TrimEnd '-'))

                        Expect.hasLength ranges 2 "twice"
                        Expect.all ranges (fun from -> from > 0L) "not from the beginning"
                        Expect.isAscending ranges "further each time")
                }

                test "one that breaks off too often is told, kept, and gone on with by the next call" {
                    within (fun hub folder ->
                        hub.Fault <- HubFault.BreaksOff(1000, 500_000)
                        get (request hub folder) |> Outcome.refusedWith 5 []

                        let part =
                            Directory.GetFiles(folder, "*.part", SearchOption.AllDirectories)
                            |> Array.exactlyOne

                        Expect.isGreaterThan (FileInfo part).Length 0L "kept"
                        hub.Fault <- HubFault.None
                        let report = Outcome.ok (get (request hub folder))
                        Expect.equal (read report "model.safetensors") weights "the bytes"
                        Expect.stringContains (List.last hub.Requests) "bytes=" "gone on with")
                }

                test "a hub that knows no ranges sends all again" {
                    within (fun hub folder ->
                        hub.Fault <- HubFault.BreaksOff(1000, 500_000)
                        get (request hub folder) |> Result.isError |> Expect.isTrue <| "broken"
                        hub.Fault <- HubFault.IgnoresRanges
                        let report = Outcome.ok (get (request hub folder))
                        Expect.equal (read report "model.safetensors") weights "the bytes")
                }

                test "wrong bytes and wrong sizes are thrown away" {
                    for fault, says in
                        [
                            HubFault.WrongBytes, "not those that the hub promises"
                            HubFault.WrongSize -1, "promises"
                            HubFault.WrongSize 1, ""
                        ] do
                        within (fun hub folder ->
                            hub.Fault <- fault
                            let outcome = get (request hub folder)
                            Expect.isError outcome $"{fault}"

                            outcome
                            |> Result.mapError McdrlError.describe
                            |> (fun told ->
                                match told with
                                | Error text -> Expect.stringContains text says "told"
                                | Ok _ -> ())

                            Expect.isEmpty
                                (Directory.GetFiles(folder, "model.safetensors", SearchOption.AllDirectories))
                                "nothing under its name")
                }

                test "what a hub refuses is told with what to do" {
                    for status, code, says in
                        [ 401, 4, "HF_TOKEN"; 403, 4, "terms"; 404, 4, "404"; 503, 5, "503" ] do
                        within (fun hub folder ->
                            hub.Fault <- HubFault.Status status
                            get (request hub folder) |> Outcome.refusedWith code [ says ])

                    Folder.temporary (fun folder ->
                        let gone = new FakeHub(repository, files)
                        let request = request gone folder
                        (gone :> IDisposable).Dispose()
                        get request |> Outcome.refusedWith 5 [ "can't be reached" ])
                }

                test "names, revisions, addresses and digests that can't be" {
                    within (fun hub folder ->
                        let good = request hub folder

                        for bad, code, says in
                            [
                                { good with Repository = "clip" }, 2, "OWNER/NAME"
                                { good with Repository = "../x/y" }, 2, "OWNER/NAME"
                                { good with Repository = "a/.." }, 2, "OWNER/NAME"
                                { good with Revision = "../main" }, 2, "revision"
                                { good with Revision = "" }, 2, "revision"
                                { good with
                                    Address = "http://example.org"
                                },
                                2,
                                "https://"
                                { good with Address = "hub" }, 2, "https://"
                                { good with
                                    File = Some "other.safetensors"
                                },
                                2,
                                "other.safetensors"
                                { good with
                                    Revision = String.replicate 40 "d"
                                },
                                4,
                                "not the one that was asked for"
                                { good with
                                    Sha256 = Some(String.replicate 64 "0")
                                },
                                4,
                                "sha256"
                            ] do
                            get bad |> Outcome.refusedWith code [ says ]

                        let report = Outcome.ok (get { good with Revision = hub.Commit })
                        let digest = snd report.Weights

                        Expect.isOk
                            (get
                                { good with
                                    Sha256 = Some(digest.ToUpperInvariant())
                                })
                            "the right one")
                }

                test "stopped in the middle, it ends at once and keeps what it has" {
                    within (fun hub folder ->
                        hub.Fault <- HubFault.Stalls 700_000
                        use stop = new CancellationTokenSource()

                        let tell (step: ProgressStep) =
                            if step.Stage.Contains "model" then
                                stop.Cancel()

                        let outcome = Hub.get (request hub folder) { Tell = tell; Cancel = stop.Token }

                        Expect.equal outcome (Error McdrlError.Cancelled) "stopped"

                        Expect.isNonEmpty
                            (Directory.GetFiles(folder, "*.part", SearchOption.AllDirectories))
                            "kept")
                }
            ]
    )

let listings =
    testList
        "Hub.Listing"
        [
            test "what is no listing, and files without a size or a digest" {
                let parse (text: string) =
                    HubListing.parse "hub" (Encoding.UTF8.GetBytes text)

                for text in
                    [
                        "{"
                        "[]"
                        "{}"
                        """{"sha": "x", "siblings": []}"""
                        """{"sha": "cccccccccccccccccccccccccccccccccccccccc"}"""
                    ] do
                    parse text |> Outcome.refusedWith 4 [ "hub" ]

                let found =
                    parse
                        """{"sha": "cccccccccccccccccccccccccccccccccccccccc", "siblings": [
                          {"rfilename": "a.safetensors"},
                          {"rfilename": "b.safetensors", "size": -1, "blobId": "dddddddddddddddddddddddddddddddddddddddd"},
                          {"rfilename": "c.safetensors", "size": 1, "lfs": {"sha256": "short"}},
                          {"rfilename": "sub/d.safetensors", "size": 1, "blobId": "dddddddddddddddddddddddddddddddddddddddd"},
                          {"rfilename": "e.safetensors", "size": 1, "blobId": "dddddddddddddddddddddddddddddddddddddddd"}]}"""
                    |> Outcome.ok

                Expect.equal
                    (found.Files |> List.map _.Name)
                    [ "e.safetensors" ]
                    "the one that can be verified"
            }

            test "the weights of a listing" {
                let file name : HubFile =
                    {
                        Name = name
                        Size = int64 (name: string).Length
                        Digest = HubDigest.GitBlob(String.replicate 40 "d")
                    }

                let choose asked names =
                    HubListing.choose
                        "hub"
                        asked
                        {
                            Commit = String.replicate 40 "c"
                            Files = List.map file names
                        }
                    |> Result.map (List.map _.Name)

                Expect.equal
                    (choose None [ "model.safetensors"; "open_clip_model.safetensors"; "config.json" ])
                    (Ok [ "config.json"; "open_clip_model.safetensors" ])
                    "open_clip's before Hugging Face's"

                Expect.equal (choose None [ "only.safetensors" ]) (Ok [ "only.safetensors" ]) "the only one"

                Expect.equal
                    (choose (Some "two.safetensors") [ "one.safetensors"; "two.safetensors" ])
                    (Ok [ "two.safetensors" ])
                    "the one asked for"

                choose None [ "one.safetensors"; "two.safetensors" ]
                |> Outcome.refusedWith 2 [ "one.safetensors, two.safetensors"; "“file”" ]

                choose None [ "model.pt" ] |> Outcome.refusedWith 4 [ "no safetensors" ]
            }
        ]
