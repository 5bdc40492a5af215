namespace Mcdrl.Cli

open Mcdrl

/// Tells who trains on a single site that no frame has another site's colours to take over.
[<RequireQualifiedAccess>]
module ExchangeWarning =
    /// Says so about the sites that are used; a dataset that can't be read is left to who reads it next.
    let say (session: Session) (settings: Settings) (data: string) (isUsed: string -> bool) =
        if Augmentation.exchange settings.Augmentation > 0.0 then
            Dataset.load data
            |> Result.map (fun dataset -> dataset.Sites |> List.filter (fun site -> isUsed site.Name))
            |> Result.iter (fun sites ->
                match sites with
                | [ only ] ->
                    Session.warn
                        session
                        (Printable.line
                            $"Colours are not exchanged (augmentation.colour_exchange): {only.Name} is the only site that is trained on.")
                | _ -> ())
