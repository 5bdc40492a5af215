/// The page in a real browser, with the engine of `Served`.
module Mcdrl.Tests.PageTests

open System
open System.IO
open System.Text.Json
open System.Threading.Tasks
open Deque.AxeCore.Playwright
open Expecto
open Microsoft.Playwright
open Mcdrl
open Mcdrl.Tests.Served

let private chromium = "/usr/bin/chromium"

let private wait (task: Task<'a>) = task.GetAwaiter().GetResult()
let private run (task: Task) = task.GetAwaiter().GetResult()

/// A browser that asks nobody but the page's service, and keeps what it keeps in a folder that goes with the tests. Playwright's own flags
/// are there besides.
let private launch (playwright: IPlaywright) =
    let home = Directory.CreateTempSubdirectory("mcdrl-browser-").FullName
    AppDomain.CurrentDomain.ProcessExit.Add(fun _ -> Directory.Delete(home, true))

    playwright.Chromium.LaunchAsync(
        BrowserTypeLaunchOptions(
            ExecutablePath = chromium,
            Args =
                [
                    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
                    "--disable-features=MediaRouter,DialMediaRouteProvider,OptimizationHints,AsyncDns"
                ],
            Env = dict [ "HOME", home; "PATH", string (Environment.GetEnvironmentVariable "PATH") ]
        )
    )

/// One browser for all tests; none where Debian's Chromium is absent.
let private browser = lazy (wait (launch (wait (Playwright.CreateAsync()))))

let private desktop =
    BrowserNewContextOptions(ViewportSize = ViewportSize(Width = 1280, Height = 800))

let private phone =
    BrowserNewContextOptions(
        ViewportSize = ViewportSize(Width = 390, Height = 844),
        DeviceScaleFactor = 2.0f,
        IsMobile = true,
        HasTouch = true
    )

/// Opens the page; what it complains of in the browser's console fails the test.
let private onPage options settings (work: IPage -> unit) =
    if not (File.Exists chromium) then
        skiptest "skipped, no chromium"

    at settings model (fun address ->
        let context = wait (browser.Value.NewContextAsync options)
        let complaints = ResizeArray<string>()

        try
            let page = wait (context.NewPageAsync())
            page.SetDefaultTimeout 30_000.0f
            page.PageError.Add complaints.Add

            page.Console.Add(fun message ->
                if message.Type = "error" then
                    complaints.Add message.Text)

            wait (page.GotoAsync(string address)) |> ignore
            work page
        finally
            run (context.CloseAsync())

        Expect.isEmpty
            (complaints |> Seq.filter (fun text -> not (text.Contains "401")))
            "the browser complains")

let private text (page: IPage) selector =
    page.TextContentAsync selector |> wait |> Option.ofObj |> Option.defaultValue ""

/// Waits until the page says something that holds all of these parts.
let private says (page: IPage) selector (part: string) =
    run (Assertions.Expect(page.Locator selector).ToContainTextAsync part)

let private choose (page: IPage) folder =
    run (page.SetInputFilesAsync("#folder", (folder: string)))
    says page "#said" "polyp"

let private press (page: IPage) key = run (page.Keyboard.PressAsync key)

/// The share of the frame that is said to be marked, in percent.
let private share page =
    float ((text page "#found .finding span:nth-child(3)").Replace("%", "").Trim())

let private hasFocus (page: IPage) selector =
    page.Locator(selector).EvaluateAsync<bool> "found => found === document.activeElement"
    |> wait

/// The colours on the canvas that are the outline's.
let private outlined (page: IPage) =
    page.EvaluateAsync<int>
        """() => {
            const canvas = document.getElementById("canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) if (data[i] < 60 && data[i + 1] > 190 && data[i + 2] > 210) count++;
            return count;
        }"""
    |> wait

let private serious (page: IPage) =
    let found = wait (page.RunAxe())

    [
        for violation in found.Violations do
            if violation.Impact = "serious" || violation.Impact = "critical" then
                $"""{violation.Id}: {violation.Help}: {violation.Nodes |> Seq.map _.Html |> String.concat "; "}"""
    ]

let private download (page: IPage) selector =
    let saved =
        wait (page.RunAndWaitForDownloadAsync(fun () -> page.ClickAsync selector))

    saved.SuggestedFilename, File.ReadAllBytes(wait (saved.PathAsync()))

let private test name work = testCase name work

let tests =
    testSequenced
    <| testList
        "Page"
        [
            test "frames of a folder are outlined, stepped through and compared with their truth" (fun () ->
                folder 3 (fun folder ->
                    onPage desktop settings (fun page ->
                        choose page folder
                        says page "#place" "1 of 3"
                        says page "#said" "one region"
                        says page "#dice" "Dice"

                        Expect.isGreaterThan
                            (float (text page "#dice b"))
                            0.98
                            "the truth is the engine's mask"

                        Expect.isGreaterThan (outlined page) 100 "the outline is drawn"
                        run (page.ClickAsync "#next")
                        says page "#place" "2 of 3"
                        run (page.UncheckAsync "#show-outline")
                        Expect.equal (outlined page) 0 "and left out")))

            test "the threshold slides without asking the service" (fun () ->
                folder 1 (fun folder ->
                    onPage desktop settings (fun page ->
                        choose page folder
                        let before = share page
                        let asked = ResizeArray<string>()
                        page.Request.Add(fun request -> asked.Add request.Url)
                        run (page.FocusAsync "#threshold")

                        for _ in 1..30 do
                            press page "ArrowRight"

                        says page "#threshold-value" "0.80"
                        says page "#said" "polyp"
                        Expect.isLessThan (share page) before "less is marked"
                        Expect.isEmpty asked "no request"
                        run (page.ClickAsync "#threshold-own")
                        says page "#threshold-value" "own"
                        Expect.equal (share page) before "as before")))

            test "conditions, disagreement and regions are shown" (fun () ->
                folder 1 (fun folder ->
                    onPage desktop settings (fun page ->
                        choose page folder
                        let before = share page
                        run (page.GetByLabel("blur").CheckAsync())
                        says page "#said" "seen as under blur"
                        Expect.isLessThan (share page) (0.7 * before) "half of it"
                        run (page.CheckAsync "#show-disagreement")
                        says page "#legend" "nats"
                        run (page.CheckAsync "#show-probability")
                        says page "#legend" "Probability"
                        run (page.CheckAsync "#show-regions"))))

            test "what is shown can be taken along" (fun () ->
                folder 2 (fun folder ->
                    onPage desktop settings (fun page ->
                        choose page folder
                        let name, mask = download page "#take-mask"
                        Expect.equal name "frame1.mask.png" "the mask's name"
                        let mask = Outcome.ok (Masks.decode ImageLimits.standard "mask" mask)
                        Expect.equal (mask.Width, mask.Height) (96, 64) "the mask's size"
                        let _, report = download page "#take-json"

                        Expect.equal
                            (JsonDocument.Parse(report).RootElement.GetProperty("image").GetString())
                            "frame1.png"
                            "the report"

                        let _, sheet = download page "#take-sheet"
                        Expect.isTrue (Png.isPng sheet) "the sheet"
                        let _, coco = download page "#take-coco"
                        let coco = JsonDocument.Parse(coco).RootElement
                        Expect.equal (coco.GetProperty("images").GetArrayLength()) 2 "images"
                        Expect.equal (coco.GetProperty("annotations").GetArrayLength()) 2 "a region each"
                        let annotation = coco.GetProperty("annotations")[1]
                        Expect.equal (annotation.GetProperty("image_id").GetInt32()) 2 "annotations")))

            test "the keyboard alone does it" (fun () ->
                folder 2 (fun folder ->
                    onPage desktop settings (fun page ->
                        says page "#model" "disc"
                        let mutable tabs = 0

                        while not (hasFocus page "#choose-folder") && tabs < 20 do
                            press page "Tab"
                            tabs <- tabs + 1

                        Expect.isTrue (hasFocus page "#choose-folder") "the button is reached"

                        let chooser =
                            wait (
                                page.RunAndWaitForFileChooserAsync(fun () ->
                                    page.Keyboard.PressAsync "Enter")
                            )

                        run (chooser.SetFilesAsync folder)
                        says page "#said" "polyp"
                        Expect.isTrue (hasFocus page "#viewer") "the frame has the focus"
                        press page "ArrowRight"
                        says page "#place" "2 of 2"
                        press page "Home"
                        says page "#place" "1 of 2"
                        press page "ArrowDown"
                        says page "#said" "seen as under blur"
                        press page "ArrowUp"
                        says page "#said" "one region. Dice"
                        press page "o"
                        Expect.isFalse (wait (page.IsCheckedAsync "#show-outline")) "the outline is off"

                        let ring =
                            page.Locator("#viewer").EvaluateAsync<string>
                                "found => getComputedStyle(found).outlineStyle"
                            |> wait

                        Expect.equal ring "solid" "the focus is seen")))

            test "a phone shows it without scrolling sideways" (fun () ->
                folder 3 (fun folder ->
                    onPage phone settings (fun page ->
                        choose page folder

                        let excess =
                            page.EvaluateAsync<int>
                                "() => document.documentElement.scrollWidth - innerWidth"
                            |> wait

                        Expect.isLessThanOrEqual excess 0 "sideways"
                        Expect.isGreaterThan (outlined page) 50 "the outline is drawn")))

            test "the token is asked for" (fun () ->
                folder 1 (fun folder ->
                    let token = "a-token-of-more-than-sixteen-letters"

                    onPage desktop { settings with Token = Some token } (fun page ->
                        run (page.FillAsync("#token", token))
                        press page "Enter"
                        says page "#model" "disc"
                        choose page folder)))

            for name, options in
                [
                    "light", desktop
                    "dark", BrowserNewContextOptions(ColorScheme = Nullable ColorScheme.Dark)
                    "phone", phone
                ] do
                test $"axe finds nothing serious, {name}" (fun () ->
                    folder 2 (fun folder ->
                        onPage options settings (fun page ->
                            Expect.equal (serious page) [] "before a frame"
                            choose page folder
                            run (page.CheckAsync "#show-probability")
                            says page "#legend" "Probability"
                            Expect.equal (serious page) [] "with frames")))
        ]
