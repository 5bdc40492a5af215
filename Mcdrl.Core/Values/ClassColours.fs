namespace Mcdrl

/// The colours that classes are shown in, wherever that is.
[<RequireQualifiedAccess>]
module ClassColours =
    /// Any two are at least 20 apart (CIEDE2000), for full colour vision, protanopes and deuteranopes alike (Machado et al., 2009); none is
    /// near mucosa, the dark halo of an outline, or the white of a true outline.
    let private colours =
        [|
            0uy, 230uy, 255uy
            250uy, 255uy, 0uy
            25uy, 149uy, 255uy
            255uy, 226uy, 205uy
            100uy, 179uy, 84uy
            81uy, 79uy, 173uy
            110uy, 105uy, 4uy
            165uy, 131uy, 146uy
        |]

    /// How many there are.
    let count = colours.Length

    /// Red, green and blue of class `label`, from 1; they repeat after `count` classes.
    let ofLabel (label: int) : byte * byte * byte = colours[(label - 1) % count]

    /// The 256 colours of a mask's palette: black for background, then those of the classes, and white for 255, which is no class but
    /// a mark.
    let palette: (byte * byte * byte)[] =
        Array.init 256 (fun label ->
            match label with
            | 0 -> 0uy, 0uy, 0uy
            | 255 -> 255uy, 255uy, 255uy
            | label -> ofLabel label)
