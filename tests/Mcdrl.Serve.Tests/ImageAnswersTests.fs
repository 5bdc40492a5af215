module Mcdrl.Tests.ImageAnswersTests

open System
open System.Net.Http
open System.Text.Json.Nodes
open Expecto
open SkiaSharp
open Mcdrl
open Mcdrl.Tests.Served

let private mediaType (response: HttpResponseMessage) =
    response.Content.Headers.ContentType |> nonNull |> _.MediaType

let private picture =
    lazy Outcome.ok (Images.decode ImageLimits.standard "frame" frame)

let private answer mode =
    Outcome.ok (Engine.segment engine mode Marking.standard picture.Value)

/// What the command would write beside the mask of an image of this name.
let private reportOf name segmentation =
    SegmentFiles.text (SegmentFiles.report (SegmentTargets.target "" (name, "")) segmentation None)

let private formOf (name: string) (bytes: byte[]) =
    let form = new MultipartFormDataContent()
    form.Add(new StringContent "a note", "note")
    form.Add(new ByteArrayContent(bytes), "image", name)
    form

let tests =
    testList
        "ImageAnswers"
        [
            test "the report is the command's, of the name that the caller gives" {
                within settings model (fun client ->
                    let expected = reportOf "a.png" (answer None)
                    Expect.equal (textOf (post client "/segment?name=a.png" frame)) expected "by the query"

                    let byForm = client.PostAsync("/segment", formOf "a.png" frame).Result
                    Expect.equal (textOf byForm) expected "by the form")
            }

            test "a folder in a name is left out" {
                within settings model (fun client ->
                    let found = jsonOf (post client "/segment?name=../../etc/a.png" frame)
                    Expect.equal (found.GetProperty("image").GetString()) "a.png" "the name")
            }

            test "the embedded model answers as it does without a service" {
                let folder = Outcome.ok (EmbeddedModel.folder ())
                use segmenter = Outcome.ok (Segmenter.load folder "cpu")
                let embedded = Segmenter.engine segmenter

                let found =
                    within settings { model with Engine = embedded } (fun client ->
                        bytesOf (post client "/segment?output=mask" frame))

                let expected =
                    Outcome.ok (Engine.segment embedded None Marking.standard picture.Value)

                Expect.sequenceEqual found (Masks.png expected.Mask) "the mask"
            }

            test "one output is itself" {
                within settings model (fun client ->
                    let mask = post client "/segment?output=mask" frame
                    Expect.equal (mediaType mask) "image/png" "the form"
                    Expect.sequenceEqual (bytesOf mask) (Masks.png (answer None).Mask) "the mask"

                    for output in [ "overlay"; "probability"; "picture" ] do
                        let bytes = bytesOf (post client $"/segment?output={output}" frame)
                        Expect.isTrue (Png.isPng bytes) output)
            }

            test "several outputs are one object, files in base64" {
                within settings model (fun client ->
                    let found = jsonOf (post client "/segment?output=both,maps&name=a.png" frame)
                    let json = JsonNode.Parse(found.GetProperty("json").GetRawText())
                    let report = JsonNode.Parse(reportOf "a.png" (answer None))
                    Expect.isTrue (JsonNode.DeepEquals(json, report)) "the report"
                    let mask = found.GetProperty("mask").GetBytesFromBase64()
                    Expect.sequenceEqual mask (Masks.png (answer None).Mask) "the mask"
                    let maps = found.GetProperty("maps").GetProperty("float32").GetBytesFromBase64()

                    Expect.sequenceEqual
                        (Array.init probabilities.Length (fun at -> BitConverter.ToSingle(maps, at * 4)))
                        probabilities
                        "the maps")
            }

            test "the mask lies as the file does" {
                let turned =
                    Crafted.encode SKEncodedImageFormat.Jpeg 90 96 64 (fun x _ -> byte x, 60uy, 30uy)
                    |> Crafted.withOrientation 6

                within settings model (fun client ->
                    let found = jsonOf (post client "/segment" turned)
                    Expect.equal (found.GetProperty("orientation").GetString()) "right-top" "turned"
                    Expect.equal (found.GetProperty("width").GetInt32()) 96 "the width is the file's")
            }

            test "an explanation names its files, and hands them out" {
                within settings model (fun client ->
                    let found = jsonOf (post client "/explain?output=json,files&name=a.png" frame)
                    let explained = found.GetProperty("json").GetProperty "explanation"
                    let files = found.GetProperty "files"

                    let named =
                        [
                            for condition in explained.GetProperty("conditions").EnumerateArray() do
                                string (condition.GetProperty("mask").GetString())

                            string (
                                explained.GetProperty("mutual_information").GetProperty("file").GetString()
                            )
                        ]

                    Expect.hasLength named 3 "two conditions and a map"

                    for name in named do
                        Expect.isTrue (Png.isPng (files.GetProperty(name).GetBytesFromBase64())) name

                    Expect.isTrue
                        (Png.isPng (bytesOf (post client "/explain?output=sheet" frame)))
                        "the sheet")
            }

            test "a model that can't explain says so" {
                within
                    settings
                    { model with
                        Engine = { engine with Explain = None }
                    }
                    (fun client ->
                        let status, _ = refusalOf (post client "/explain" frame)
                        Expect.equal status 501 "not implemented")
            }

            test "what is wrong with a query is told" {
                within settings model (fun client ->
                    for query, part in
                        [
                            "thresold=0.5", "threshold"
                            "threshold=2", "probability"
                            "threshold=a", "number"
                            "min_area=-1", "pixels"
                            "mode=exakt", "exact"
                            "output=maskk", "mask"
                            "output=mask&output=json", "once"
                        ] do
                        let status, fault = refusalOf (post client $"/segment?{query}" frame)
                        Expect.equal status 400 query
                        Expect.stringContains $"{fault.What} {fault.Where} {fault.Fix}" part query)
            }

            test "what is wrong with a body is told" {
                within settings model (fun client ->
                    let withoutFile = new MultipartFormDataContent()
                    withoutFile.Add(new StringContent "a note", "note")

                    for what, expected, response in
                        [
                            "nothing", 400, post client "/segment" [||]
                            "text", 422, post client "/segment" "text"B
                            "half an image", 422, post client "/segment" frame[.. frame.Length / 2]
                            "no file", 400, client.PostAsync("/segment", withoutFile).Result
                        ] do
                        Expect.equal (fst (refusalOf response)) expected what)
            }

            test "an engine's failure is the service's" {
                let broken =
                    { engine with
                        Segment = fun _ _ _ -> failwith "broken"
                    }

                within settings { model with Engine = broken } (fun client ->
                    Expect.equal (fst (refusalOf (post client "/segment" frame))) 500 "internal"
                    Expect.equal (int (client.GetAsync("/health").Result).StatusCode) 200 "it goes on")
            }
        ]
