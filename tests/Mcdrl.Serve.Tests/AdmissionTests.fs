module Mcdrl.Tests.AdmissionTests

open System.Net
open System.Net.Http
open System.Net.Http.Headers
open Expecto
open Mcdrl
open Mcdrl.Tests.Served

let private sent (client: HttpClient) (path: string) (headers: (string * string) list) =
    use request = new HttpRequestMessage(HttpMethod.Get, path)

    for name, value in headers do
        request.Headers.TryAddWithoutValidation(name, value) |> ignore

    client.Send request

let private token = "a-token-of-more-than-sixteen-letters"

let tests =
    testList
        "Admission"
        [
            test "a name that isn't this machine's is refused" {
                within
                    { settings with
                        Names = [ "mcdrl.hospital.example" ]
                    }
                    model
                    (fun client ->
                        for host, expected in
                            [
                                "evil.example", 421
                                "evil.example:8080", 421
                                "localhost", 200
                                "127.0.0.1:1", 200
                                "[::1]", 200
                                "10.1.2.3", 200
                                "mcdrl.hospital.example", 200
                            ] do
                            Expect.equal
                                (int (sent client "/model" [ "Host", host ]).StatusCode)
                                expected
                                host)
            }

            test "pages of other sites are refused, and may read nothing" {
                within settings model (fun client ->
                    for headers, expected in
                        [
                            [ "Origin", "http://evil.example" ], 403
                            [ "Origin", "null" ], 403
                            [ "Sec-Fetch-Site", "cross-site" ], 403
                            [ "Origin", (string client.BaseAddress).TrimEnd '/' ], 200
                            [ "Sec-Fetch-Site", "same-origin" ], 200
                        ] do
                        let response = sent client "/model" headers
                        Expect.equal (int response.StatusCode) expected $"%A{headers}"
                        Expect.isFalse (response.Headers.Contains "Access-Control-Allow-Origin") "no CORS")
            }

            test "without the token nothing but the page, its description and probes is answered" {
                within { settings with Token = Some token } model (fun client ->
                    for path in [ "/"; "/openapi.json"; "/health"; "/v2/health/live"; "/v2/health/ready" ] do
                        Expect.equal (sent client path []).StatusCode HttpStatusCode.OK path

                    for path in [ "/model"; "/metrics"; "/v2/models/disc" ] do
                        let response = sent client path []
                        Expect.equal (fst (refusalOf response)) 401 path
                        Expect.equal (string response.Headers.WwwAuthenticate) "Bearer" "how"

                    Expect.equal (fst (refusalOf (post client "/segment" frame))) 401 "a post"

                    Expect.equal
                        (fst (refusalOf (sent client "/model" [ "Authorization", "Bearer wrong" ])))
                        401
                        "another token"

                    client.DefaultRequestHeaders.Authorization <- AuthenticationHeaderValue("Bearer", token)
                    Expect.equal (sent client "/model" []).StatusCode HttpStatusCode.OK "with it"
                    Expect.equal (post client "/segment" frame).StatusCode HttpStatusCode.OK "a post with it")
            }
        ]
