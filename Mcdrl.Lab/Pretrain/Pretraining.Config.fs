namespace Mcdrl

open System.IO
open System.Reflection

/// Where the recipe of the small CLIP that comes with the product is kept.
[<RequireQualifiedAccess>]
module PretrainingConfig =
    let private recipe =
        lazy
            (use stream =
                Assembly.GetExecutingAssembly().GetManifestResourceStream "Mcdrl.presets.mini.json"
                |> nonNull

             use reader = new StreamReader(stream)
             reader.ReadToEnd())

    /// The recipe with assignments `key=value` on top.
    let recipeWith assignments =
        Config.build PretrainingSettings.validate "preset mini" recipe.Value assignments
