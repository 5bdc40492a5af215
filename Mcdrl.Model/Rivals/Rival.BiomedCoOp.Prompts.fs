namespace Mcdrl

/// Descriptive prompts for BiomedCoOp's ensembles, our own. Prompt i says the same kind of thing of every class, so
/// that one that the images don't bear out can be dropped for all classes.
[<RequireQualifiedAccess>]
module BiomedPrompts =
    /// Sentences as captions have them (`Captions`), which a small text tower understands too.
    let private framed (lesion: string) =
        [
            Prompts.ofClass lesion
            $"A small {lesion} in an endoscopic image"
            $"A medium {lesion} in an endoscopic image"
            $"A large {lesion} in an endoscopic image"
            $"An endoscopic image of a {lesion} at the centre"
            $"An endoscopic image of a {lesion} at the left"
            $"At the upper right, a small {lesion}"
            $"At the bottom, a large {lesion}"
            $"A {lesion} with white-light imaging"
            $"A {lesion} with narrow-band imaging"
            $"A {lesion} with a close-up view"
            $"With dim lighting, an endoscopic image of a {lesion}"
        ]

    /// Shape, edge, surface, colour, vessels, light, setting and how it is told from what it resembles.
    let private described (lesion: string) =
        match lesion.ToLowerInvariant() with
        | "polyp" ->
            [
                "A polyp, a rounded growth that rises from the mucosa on a stalk or a broad base"
                "A polyp with a smooth, clearly drawn edge against the flat mucosa around it"
                "A polyp whose surface is even or finely lobed, with a regular pit pattern"
                "A polyp of the colour of the mucosa or a little redder"
                "A polyp with fine, regular vessels on its head"
                "A polyp that throws a soft shadow and shines where it faces the lamp"
                "A polyp in the colon, protruding into the lumen between two folds"
                "A polyp, raised like a fold but ending on all sides"
            ]
        | "tumor"
        | "tumour" ->
            [
                $"A {lesion}, a bulky mass that narrows the lumen and distorts its wall"
                $"A {lesion} with a ragged, heaped-up edge that runs into the tissue around it"
                $"A {lesion} whose surface is uneven, ulcerated and friable"
                $"A {lesion} of mottled dark red, white and necrotic grey"
                $"A {lesion} with thick, twisted, irregular vessels"
                $"A {lesion} that is lit unevenly, bright on its crests and dark in its crater"
                $"A {lesion} in the digestive tract, bleeding where the endoscope touched it"
                $"A {lesion}, larger, harder and less regular than a polyp"
            ]
        | "inflammation" ->
            [
                "Inflammation, a flat area of swollen mucosa without a form of its own"
                "Inflammation with a blurred edge that fades into healthy mucosa"
                "Inflammation whose surface is granular, with erosions and spots of exudate"
                "Inflammation of a deep, patchy red"
                "Inflammation in which the usual vessel pattern is lost"
                "Inflammation that glistens wetly under the lamp"
                "Inflammation along the wall of the bowel, with mucus and small ulcers"
                "Inflammation, reddened like a tumor but neither raised nor bounded"
            ]
        | "nodule" ->
            [
                "A nodule, a small firm bump, wider than it is high"
                "A nodule with a gentle slope instead of an edge"
                "A nodule whose surface is smooth and covered by normal mucosa"
                "A nodule of a pale or yellowish colour"
                "A nodule with few vessels running over it"
                "A nodule that shows one small highlight at its top"
                "A nodule on a vocal fold or in the stomach wall, alone on flat tissue"
                "A nodule, smaller and firmer than a cyst and without a stalk"
            ]
        | "cyst" ->
            [
                "A cyst, a round, dome-shaped sac filled with fluid"
                "A cyst with a thin, sharply drawn circular edge"
                "A cyst whose surface is taut, smooth and thin-walled"
                "A cyst, translucent, pale blue or yellow"
                "A cyst with fine vessels stretched over its wall"
                "A cyst that lets the light through and bears a bright reflection"
                "A cyst below the mucosa, soft and yielding"
                "A cyst, rounder and clearer than a nodule"
            ]
        | _ ->
            [
                $"A {lesion}, with a shape that stands out from the mucosa"
                $"A {lesion} with an edge that can be followed all around"
                $"A {lesion} whose surface differs from that of normal mucosa"
                $"A {lesion} of another colour than the tissue around it"
                $"A {lesion} with a vessel pattern of its own"
                $"A {lesion} on which the light of the endoscope falls differently"
                $"A {lesion} in its usual place in the body"
                $"A {lesion}, seen in an endoscopic examination"
            ]

    /// The prompts of a class, as many for every class.
    let ofClass (lesion: string) : string list = framed lesion @ described lesion
