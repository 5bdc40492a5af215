namespace Mcdrl

open System
open System.IO
open System.Reflection
open System.Security.Cryptography

/// A file of the page.
type PageFile =
    {
        /// The end of its address.
        Name: string
        /// Its form.
        Type: string
        /// Its bytes.
        Bytes: byte[]
        /// What changes when they do.
        Tag: string
    }

/// The page in the browser: files that are part of this assembly, so that nothing is fetched from anywhere else.
[<RequireQualifiedAccess>]
module PageFiles =
    let private prefix = "page/"

    let private typeOf (name: string) =
        match Path.GetExtension name with
        | ".html" -> "text/html; charset=utf-8"
        | ".css" -> "text/css; charset=utf-8"
        | ".js" -> "text/javascript; charset=utf-8"
        | ".svg" -> "image/svg+xml"
        | other -> invalidOp $"a page has no {other}"

    let private read (resource: string) =
        use stream =
            Assembly.GetExecutingAssembly().GetManifestResourceStream resource |> nonNull

        use memory = new MemoryStream()
        stream.CopyTo memory
        let bytes = memory.ToArray()

        {
            Name = resource[prefix.Length ..]
            Type = typeOf resource
            Bytes = bytes
            Tag = "\"" + (Convert.ToHexStringLower(SHA256.HashData bytes))[..15] + "\""
        }

    /// All of them.
    let all: PageFile list =
        Assembly.GetExecutingAssembly().GetManifestResourceNames()
        |> Array.filter _.StartsWith(prefix, StringComparison.Ordinal)
        |> Array.map read
        |> List.ofArray

    /// What a browser lets the page do: load from and speak to its own service, and show images that it made itself.
    let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
