namespace Mcdrl

/// A trained model, in memory.
[<NoComparison; NoEquality>]
type Model =
    {
        /// What `mcdrl.json` states; `Files` is empty in a model that was not read from a folder.
        Manifest: Manifest
        /// The frozen image tower.
        Tower: Tower
        /// The trained part.
        Network: Network
        /// The prompts' embeddings and log π.
        Texts: Texts
        /// Who words the class texts of each image, if a rival of the paper does.
        Rival: Rival option
    }

/// A model as a folder: `mcdrl.json`, `weights.safetensors`, `text.safetensors` and a model card, `README.md`.
[<RequireQualifiedAccess>]
module Bundle =
    /// Where a training run's folder keeps its model.
    val ofRun: folder: string -> string

    /// The folder of the bundle itself: `folder`, or the one in a training run's.
    val locate: folder: string -> string

    /// Paths of the files of a bundle, or of the one in a training run's folder.
    val files: folder: string -> string list

    /// Writes a bundle: whoever looks finds the folder as it was or with the whole bundle, and whatever else was in it stays. `Files` and
    /// `Sha256` are filled in here.
    val write: folder: string -> model: Model -> Result<unit, McdrlError>

    /// `write` with the weights in this element type; texts stay in fp32. It answers as `load` gives it back: whatever two bytes can't
    /// hold is gone.
    val writeStored: storage: WeightStorage -> folder: string -> model: Model -> Result<unit, McdrlError>

    /// Loads a bundle, or the one in a training run's folder: everything is validated (layout, sha256, names, shapes, finite values,
    /// bounds, a prior that sums to 1, the tower by its name) before anything is handed out, and what is wrong is a `Model` error. Each file is read once, its
    /// tensors straight into their own memory, which belongs to the caller's dispose scope.
    val load: folder: string -> Result<Model, McdrlError>

    /// What a bundle, or the one in a training run's folder, states about itself, checked as far as that goes without tensors. Needs no
    /// libtorch.
    val manifest: folder: string -> Result<Manifest, McdrlError>

    /// Puts other figures into a bundle, or the one in a training run's folder, and writes its card anew: with sections of Markdown, a
    /// line each, after what every card says. Weights and texts stay as they are.
    val describe:
        folder: string -> metrics: ReportedMetric list -> sections: string list -> Result<unit, McdrlError>

    /// Digest of a bundle's `mcdrl.json`, which holds those of its other files.
    val sha256: folder: string -> Result<string, McdrlError>

    /// A manifest as its bytes have it, checked as far as that goes without the other files. `path` names it in errors.
    val internal parseManifest: path: string -> content: byte[] -> Result<Manifest, McdrlError>

    /// The first half of `load`: the folder and the manifest, checked as far as that goes without tensors. Needs no libtorch.
    val internal state: folder: string -> Result<BundleFiles * Manifest, McdrlError>

    /// `state` of a bundle wherever its files are.
    val internal stateIn: files: BundleFiles -> Result<BundleFiles * Manifest, McdrlError>

    /// The second half of `load`: the bundle that `state` found.
    val internal complete: files: BundleFiles * manifest: Manifest -> Result<Model, McdrlError>
