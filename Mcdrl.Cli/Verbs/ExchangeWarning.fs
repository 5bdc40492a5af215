namespace Mcdrl.Cli

open Mcdrl

/// Tells who trains on a single site that no frame has another site's colours to take over.
[<RequireQualifiedAccess>]
module ExchangeWarning =
    /// Says so about the sites that are used.
    let say (session: Session) (settings: Settings) (used: DatasetSite list) =
        match used with
        | [ only ] when Augmentation.exchange settings.Augmentation > 0.0 ->
            Session.warn
                session
                (Printable.line
                    $"Colours are not exchanged (augmentation.colour_exchange): {only.Name} is the only site that is trained on.")
        | _ -> ()
