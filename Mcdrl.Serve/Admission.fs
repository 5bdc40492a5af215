namespace Mcdrl

open System
open System.Net
open System.Security.Cryptography
open System.Text
open Microsoft.AspNetCore.Http

/// Who may ask at all.
[<RequireQualifiedAccess>]
module Admission =
    let private isSame (one: string) (other: string) =
        String.Equals(one, other, StringComparison.OrdinalIgnoreCase)

    /// A page of another site can have its own name point here (DNS rebinding), so that the browser takes this service for that site. An address
    /// is no such name.
    let private isOurs (settings: ServeSettings) (host: string) =
        let plain = host.TrimStart('[').TrimEnd(']')

        fst (IPAddress.TryParse plain)
        || isSame plain "localhost"
        || plain.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
        || isSame plain Environment.MachineName
        || settings.Names |> List.exists (isSame plain)

    /// Whether the request comes from a page of another site. Browsers say so; programs have no reason to.
    let private isForeign (request: HttpRequest) =
        match Option.ofObj (string request.Headers.Origin) with
        | None
        | Some "" -> string request.Headers["Sec-Fetch-Site"] = "cross-site"
        | Some origin ->
            match Uri.TryCreate(origin, UriKind.Absolute) with
            | true, address -> not (isSame (nonNull address).Authority (string request.Host))
            | false, _ -> true

    let private digest (text: string) =
        SHA256.HashData(Encoding.UTF8.GetBytes text)

    /// Compared in a time that says nothing about how much of a token is right.
    let private shows (token: string) (request: HttpRequest) =
        let scheme, header = "Bearer ", string request.Headers.Authorization

        header.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)
        && CryptographicOperations.FixedTimeEquals(digest (header.Substring scheme.Length), digest token)

    /// Why a request isn't let in, if it isn't. `isOpen`: what it asks for needs no token.
    let refusal (settings: ServeSettings) (isOpen: bool) (request: HttpRequest) : ProblemReport option =
        if not (isOurs settings request.Host.Host) then
            Some(
                Problem.create
                    421
                    "this service does not go by that name"
                    $"Host: {request.Host.Host}"
                    "Call it by its address, or start it with --name for the name that callers use"
            )
        elif isForeign request then
            Some(
                Problem.create
                    403
                    "pages of other sites may not use this service"
                    "Origin"
                    "Open the service's own page, or call it from a program"
            )
        else
            match settings.Token with
            | Some token when not isOpen && not (shows token request) ->
                Some(
                    Problem.create
                        401
                        "this service asks for its token"
                        "Authorization"
                        "Send the header “Authorization: Bearer” with the token that it was started with"
                )
            | _ -> None
