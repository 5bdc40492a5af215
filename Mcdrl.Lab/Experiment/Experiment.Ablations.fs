namespace Mcdrl

/// MCDRL with one thing changed.
[<RequireQualifiedAccess>]
module internal ExperimentAblations =
    /// The order in which dictionaries of fewer conditions are filled: one of each category first.
    let private byImportance =
        [
            "blur"
            "dim lighting"
            "narrow-band imaging"
            "a close-up view"
            "mucus"
            "artifacts"
            "bright lighting"
            "white-light imaging"
            "reflection"
            "a distant view"
            "uneven lighting"
            "blood"
        ]

    /// A dictionary of m conditions, in the order of the whole one; more than twelve take the extra ones.
    let dictionary (m: int) : string list =
        let whole = Prompts.conditions |> List.map _.Name
        let extra = Prompts.extraConditions |> List.map _.Name
        let kept = List.truncate m byImportance |> Set.ofList

        (whole |> List.filter kept.Contains)
        @ List.truncate (max 0 (m - whole.Length)) extra

    let private listed (words: string list) =
        words |> List.map (fun word -> $"\"{word}\"") |> String.concat ","

    let private named (condition: string list) =
        $"method.conditions=[{listed condition}]"

    let private withoutIntervention =
        ExperimentMethod.create
            "without-cdrl"
            "w/o CDRL"
            "Regions are selected, but never intervened on."
            ExperimentMethods.withoutIntervention

    /// Whether a gain comes from what the dictionary says.
    let controlled =
        [ ExperimentMethods.baseline; withoutIntervention; ExperimentMethods.mcdrl ]
        @ ExperimentMethods.controls

    /// Table 3.
    let parts =
        [
            { ExperimentMethods.baseline with
                Label = "Baseline"
            }
            ExperimentMethod.create
                "without-mtrs"
                "w/o MTRS"
                "Every cell is intervened on (α = 1)."
                [ "method.alpha=1" ]
            |> ExperimentMethod.published "w/o MTRS"
            withoutIntervention |> ExperimentMethod.published "w/o CDRL"
            ExperimentMethods.mcdrl |> ExperimentMethod.published "MCDRL"
        ]

    /// A row of Table 4.
    let ofSize m =
        if m = 12 then
            { ExperimentMethods.mcdrl with
                Label = "M = 12"
                Note = "The whole dictionary: MCDRL as it is."
            }
        else
            let words = dictionary m

            ExperimentMethod.create
                $"m{m}"
                $"M = {m}"
                $"""A dictionary of {m}: {String.concat ", " words}."""
                [ named words ]
        |> ExperimentMethod.published (string m)

    /// A row of Table 5.
    let ofDepth layers =
        ExperimentMethod.create
            $"l{layers}"
            $"L = {layers}"
            $"An intervention network of {layers} layers."
            [ $"method.layers={layers}" ]
        |> ExperimentMethod.published (string layers)

    let private ungrounded = "loss.grounding=0"

    /// Words of the same meaning, and of none, for the dictionary and for the classes of the phantom.
    let private worded =
        let dictionary key label note conditions =
            ExperimentMethod.create key label note [ ungrounded; named conditions ]

        let classes key label note words =
            let pairs =
                words
                |> List.map (fun (name, words) -> $"\"{name}\":\"{words}\"")
                |> String.concat ","

            ExperimentMethod.create key label note [ $"method.class_words={{{pairs}}}" ]

        [
            dictionary
                "paraphrased"
                "paraphrased conditions"
                "The dictionary in other words, not grounded; to be read beside `not grounded`."
                [
                    "an out-of-focus picture"
                    "compression noise"
                    "too much light"
                    "too little light"
                    "patchy light"
                    "blue and green light"
                    "ordinary light"
                    "the lesion near the lens"
                    "the lesion far away"
                    "slime"
                    "bleeding"
                    "shiny spots"
                ]
            dictionary
                "gibberish"
                "gibberish conditions"
                "A dictionary of words without meaning, not grounded; to be read beside `not grounded`."
                [
                    "florp"
                    "quindle"
                    "brasket"
                    "zomb ull"
                    "tervin"
                    "kloost"
                    "wexary"
                    "pliddow"
                    "snargle"
                    "ombrith"
                    "dacken"
                    "vulisp"
                ]
            classes
                "classes-paraphrased"
                "paraphrased classes"
                "The class texts in other words."
                [
                    "polyp", "growth on a stalk"
                    "tumor", "cancerous mass"
                    "inflammation", "red and swollen area"
                    "nodule", "small firm lump"
                    "cyst", "fluid-filled sac"
                ]
            classes
                "classes-gibberish"
                "gibberish classes"
                "The class texts in words without meaning: what they are worth as labels alone."
                [
                    "polyp", "mipsel"
                    "tumor", "grondo"
                    "inflammation", "vashti quell"
                    "nodule", "trebbit"
                    "cyst", "ulmary"
                ]
        ]
        |> List.map ExperimentMethod.needingTextTower

    let private priors =
        [
            ExperimentMethod.create
                "prior-skewed"
                "prior of a dim hospital"
                "A prior that gives dim lighting half of the weight."
                [ "method.prior=[1,1,1,11,1,1,1,1,1,1,1,1]" ]
            ExperimentMethod.create
                "prior-estimated"
                "prior estimated"
                "A prior estimated from the training frames: how much CLIP says they show each condition."
                [ "method.prior_source=estimated" ]
            |> ExperimentMethod.needingTextTower
            ExperimentMethod.create
                "prior-learned"
                "prior learned"
                "A prior trained with the network, which a drawn confounder couldn't teach; to be read beside `feature-mean throughout`."
                [
                    "method.training_mode=feature-mean"
                    "method.marginalisation=feature-mean"
                    "method.prior_source=learned"
                ]
        ]

    /// Choices of ours, one at a time.
    let ours =
        let modes =
            [
                "attention", "Trained and asked by attention (Eq. 8)."
                "feature-mean", "Trained and asked by the mean of intervened features (Eq. 7)."
            ]
            |> List.map (fun (mode, note) ->
                ExperimentMethod.create
                    mode
                    $"{mode} throughout"
                    note
                    [ $"method.training_mode={mode}"; $"method.marginalisation={mode}" ])

        let asked =
            [
                for mode in [ "attention"; "feature-mean"; "nwgm" ] do
                    mode, $"MCDRL trained as it is, but validated and asked by {mode}."

                "rendered",
                "MCDRL trained as it is, but validated without intervention and asked by frames under conditions done to their pixels."
            ]
            |> List.map (fun (mode, note) ->
                ExperimentMethod.create
                    $"asked-{mode}"
                    $"asked by {mode}"
                    note
                    [ $"method.marginalisation={mode}" ])

        [
            yield ExperimentMethods.mcdrl
            for share in [ 0.25; 0.75 ] do
                let text = share.ToString(System.Globalization.CultureInfo.InvariantCulture)

                yield
                    ExperimentMethod.create
                        $"alpha-{text}"
                        $"α = {text}"
                        $"MTRS keeps {text} of the cells."
                        [ $"method.alpha={text}" ]
            yield ExperimentMethod.create "alpha-1" "α = 1" "Without MTRS." [ "method.alpha=1" ]
            yield! modes
            yield! asked
            yield
                ExperimentMethod.create
                    "ungrounded"
                    "not grounded"
                    "Without grounded interventions (λ3 = 0)."
                    [ ungrounded ]
            yield
                ExperimentMethod.create
                    "dense"
                    "dense unselected"
                    "Cells that MTRS didn't select hold the dense map."
                    [ "method.unselected=dense" ]
            yield
                ExperimentMethod.create
                    "background"
                    "background unselected"
                    "Cells that MTRS didn't select hold one learned vector."
                    [ "method.unselected=background" ]
            yield! worded
            yield! priors
            yield
                ExperimentMethod.create
                    "active-at-once"
                    "active from the start"
                    "No progressive training: the intervention is on in every epoch."
                    [ "optimiser.activation_epoch=0" ]
        ]
