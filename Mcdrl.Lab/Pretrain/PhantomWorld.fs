namespace Mcdrl

/// The phantom as a world to pretrain on: site, class and condition uniform and independent of each other.
[<RequireQualifiedAccess>]
module PhantomWorld =
    let private frame (settings: PretrainingSettings) side (seed: Seed) : PretrainingFrame =
        let draw name = Seed.named name seed
        let site = PhantomSites.drawn (draw "site")

        let lesion =
            if Seed.uniform (draw "normal") < settings.Normal then
                None
            else
                Some(Seed.below Phantom.classes.Length (draw "class"))

        let condition =
            if Seed.uniform (draw "plain") < settings.Plain then
                None
            else
                Some(Phantom.condition site false lesion (draw "condition"))

        let picture, truth =
            Phantom.render side (Phantom.scene site lesion (draw "scene")) condition (draw "render")

        {
            Picture = picture
            Truth = truth
            Condition = Option.map fst condition
        }

    /// The shares of frames without lesion and without condition are the settings'.
    let pretraining (settings: PretrainingSettings) : PretrainingWorld =
        {
            Classes = Phantom.classes
            Conditions = Phantom.conditions
            Frame = frame settings
        }
