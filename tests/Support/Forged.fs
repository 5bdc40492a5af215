/// Files whose own digest is made true again after a change, as someone does who wants them to be believed.
module Mcdrl.Tests.Forged

open System
open System.IO
open System.Text
open System.Text.RegularExpressions
open Expecto
open Mcdrl

let private sign place (content: byte[]) =
    let digest = content.AsSpan(place, SelfDigest.length)
    Encoding.ASCII.GetBytes(SelfDigest.blank).AsSpan().CopyTo digest
    let digits = SelfDigest.ofWritten (fun stream -> stream.Write(ReadOnlySpan content))
    Encoding.ASCII.GetBytes(digits).AsSpan().CopyTo digest

/// `mcdrl.json` of a folder, changed and signed anew.
let manifest (change: string -> string) (folder: string) =
    let path = Path.Combine(folder, "mcdrl.json")
    let before = File.ReadAllText path
    let after = change before
    Expect.notEqual after before "the edit changes something"
    let content = Encoding.UTF8.GetBytes after
    let own = Regex.Match(after, "\"sha256\": \"[0-9a-f]{64}\"\\s*}\\s*$")

    if own.Success then
        sign
            (Encoding.UTF8.GetByteCount(after.Substring(0, own.Index))
             + "\"sha256\": \"".Length)
            content

    File.WriteAllBytes(path, content)

/// A manifest as layout 2 had it, without a digest of itself.
let layout2 (folder: string) =
    manifest
        (fun text ->
            Regex
                .Replace(text, ",\\s*\"sha256\": \"[0-9a-f]{64}\"\\s*}\\s*$", "\n}\n")
                .Replace("\"format\": 3", "\"format\": 2"))
        folder

/// An exported file, changed and signed anew.
let onnx (change: byte[] -> byte[]) (path: string) =
    let content = change (File.ReadAllBytes path)
    sign (content.Length - SelfDigest.length) content
    File.WriteAllBytes(path, content)
