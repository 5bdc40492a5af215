namespace Mcdrl

/// A model that a service answers with, and what it tells of it.
[<NoComparison; NoEquality>]
type ServedModel =
    {
        /// What its address calls it: letters, digits, dashes, dots and underscores.
        Name: string
        /// What computes it: `libtorch` or `onnxruntime`.
        Platform: string
        /// The mode in which it answers where none is asked for.
        Mode: Marginalisation
        /// The modes that may be asked for.
        Modes: Marginalisation list
        /// The imaging conditions of its dictionary, in words.
        Conditions: string list
        /// Side in pixels of the square that images are brought to.
        InputSize: int
        /// What computes answers. Whoever made it disposes of it.
        Engine: Engine
    }

/// What `GET /model` answers.
type ModelReport =
    {
        /// What its address calls it.
        Name: string
        /// Of the product that serves it.
        Version: string
        /// What computes it: `libtorch` or `onnxruntime`.
        Platform: string
        /// Lesion classes, label 1 first.
        Classes: string list
        /// The colour of each class in masks and overlays, `#rrggbb`.
        Colours: string list
        /// The mode in which it answers where none is asked for.
        Mode: Marginalisation
        /// The modes that may be asked for.
        Modes: Marginalisation list
        /// The imaging conditions of its dictionary, in words.
        Conditions: string list
        /// Whether it can say what its answers depend on.
        Explains: bool
        /// Side in pixels of the square that images are brought to.
        InputSize: int
        /// Pixels of the largest image.
        MaxPixels: int64
        /// Bytes of the largest body.
        MaxBytes: int64
        /// That this is no medical device.
        Notice: string
    }

/// Served models.
[<RequireQualifiedAccess>]
module ServedModel =
    /// A name as part of an address: what else it holds becomes dashes.
    let nameOf (text: string) : string =
        text
        |> String.map (fun letter ->
            if System.Char.IsAsciiLetterOrDigit letter || letter = '.' || letter = '_' then
                letter
            else
                '-')
        |> fun name -> if name.Trim('-', '.') = "" then "model" else name

    /// What is told of it, with the limits of whoever serves it.
    let report (limits: ImageLimits) (model: ServedModel) : ModelReport =
        {
            Name = model.Name
            Version = Product.version
            Platform = model.Platform
            Classes = model.Engine.Classes
            Colours =
                model.Engine.Classes
                |> List.mapi (fun index _ ->
                    let red, green, blue = ClassColours.ofLabel (index + 1)
                    $"#{red:x2}{green:x2}{blue:x2}")
            Mode = model.Mode
            Modes = model.Modes
            Conditions = model.Conditions
            Explains = model.Engine.Explain.IsSome
            InputSize = model.InputSize
            MaxPixels = limits.MaxPixels
            MaxBytes = limits.MaxBytes
            Notice = Product.notice
        }
