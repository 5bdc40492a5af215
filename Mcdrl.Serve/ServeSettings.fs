namespace Mcdrl

open System
open System.Net
open FsToolkit.ErrorHandling

/// Where and how a service answers.
[<NoComparison>]
type ServeSettings =
    {
        /// The address that it listens at.
        Address: IPAddress
        /// The port, 0 for one that is free.
        Port: int
        /// What a caller shows as `Authorization: Bearer`; `None` where the address is one of this machine alone.
        Token: string option
        /// Names that callers may know this machine by, besides its own, `localhost` and any address.
        Names: string list
        /// The largest image: its pixels, and `MaxBytes` of the whole body.
        Limits: ImageLimits
        /// Requests that are computed at the same time, each on its share of the processor.
        AtOnce: int
        /// Requests that wait for them, their bodies read.
        Waiting: int
        /// How long a caller may take to send a body.
        Patience: TimeSpan
    }

/// The settings that hold by default, and the check of any.
[<RequireQualifiedAccess>]
module ServeSettings =
    /// 127.0.0.1:8080, one request a processor and 64 that wait, 25 megapixels, 32 MiB, a minute for a body.
    let standard =
        {
            Address = IPAddress.Loopback
            Port = 8080
            Token = None
            Names = []
            Limits =
                { ImageLimits.standard with
                    MaxPixels = 25_000_000L
                    MaxBytes = 32L * 1024L * 1024L
                }
            AtOnce = Environment.ProcessorCount
            Waiting = 64
            Patience = TimeSpan.FromMinutes 1.0
        }

    /// Bytes of all bodies that are held at the same time: as many of the largest as are computed, and as many again.
    let mostHeld settings =
        2L * int64 settings.AtOnce * settings.Limits.MaxBytes

    /// Letters of the shortest token.
    let shortestToken = 16

    let private isToken (text: string) =
        text.Length >= shortestToken
        && text |> Seq.forall (fun letter -> letter > ' ' && letter <= '~')

    /// The settings, if they can be served with; all that is wrong with them at once.
    let check (settings: ServeSettings) : Result<ServeSettings, McdrlError> =
        let between flag low high value =
            if value < low || value > high then
                [
                    McdrlError.usage
                        $"{value} is not between {low} and {high}"
                        $"“{flag}”"
                        "Give another number"
                ]
            else
                []

        [
            yield! between "port" 0L 65535L (int64 settings.Port)
            yield! between "max_pixels" 1L ImageLimits.standard.MaxPixels settings.Limits.MaxPixels
            yield! between "max_body" 1L ImageLimits.standard.MaxBytes settings.Limits.MaxBytes
            yield! between "concurrency" 1L 256L (int64 settings.AtOnce)
            yield! between "queue" 0L 100_000L (int64 settings.Waiting)

            match settings.Token with
            | None when not (IPAddress.IsLoopback settings.Address) ->
                McdrlError.usage
                    $"{settings.Address} can be reached from other machines, and whoever reaches it could use the model"
                    "“host”"
                    "Give a token that callers must show, by “token_file” or the variable MCDRL_TOKEN, or serve at 127.0.0.1"
            | Some token when not (isToken token) ->
                McdrlError.usage
                    $"a token has at least {shortestToken} letters, digits and signs, and no space"
                    "the token"
                    "Make one with `openssl rand -hex 32`"
            | _ -> ()
        ]
        |> McdrlError.ofList
        |> Option.map Error
        |> Option.defaultValue (Ok settings)
