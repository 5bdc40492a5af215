namespace Mcdrl

/// Which class a pixel of a published mask belongs to.
[<RequireQualifiedAccess>]
type MaskRule =
    /// Brighter than `above` (0 to 255) is the first class, the rest background. JPEG masks hold values of every size
    /// beside their edges, so `above` is 128 and never 0.
    | Bright of above: byte
    /// The nearest of black, which is background, and these colours, one for each class in order.
    | Colours of (byte * byte * byte) list
    /// The stored value is the class's number: 0 background, k the k-th class.
    | Numbers

/// Whose files say what one's own images show.
[<RequireQualifiedAccess>]
type AnnotationFormat =
    /// COCO's JSON, with outlines or runs.
    | Coco
    /// A JSON file for each image.
    | Labelme
    /// Masks with `labelmap.txt`, or `annotations.xml`.
    | Cvat
    /// Its JSON, and a PNG for each brush mark.
    | LabelStudio

/// Where a published dataset keeps its marks. Patterns are those of PathPattern.fs, relative to the dataset, without the
/// ending of a picture's name.
[<RequireQualifiedAccess>]
type Marks =
    /// A mask file for each image; of several patterns, the first that fits a file.
    | Masks of patterns: string list * rule: MaskRule
    /// Polygons in JSON (Polygons.fs), for all images together; `annotations` and `labels` are paths that take the
    /// parts of an image's path, whose `name` is the image's identifier. `names` are the names that the files give to
    /// the classes, in order.
    | Polygons of annotations: string * labels: string * names: string list
    /// Files of an annotation tool, wherever in the folder they and the images lie; the classes are what they say.
    | Annotated of AnnotationFormat
    /// None were published; the text says what there is instead.
    | Nothing of instead: string

/// A folder layout that a dataset is published in.
type ImportLayout =
    {
        /// The pattern of its images' paths.
        Images: string
        /// Where what they show is marked.
        Marks: Marks
    }

/// A published dataset, as `mcdrl data import` knows it. To add one is to add such a record to `ImportCatalogue`.
type ImportSource =
    {
        /// What the command line calls it.
        Name: string
        /// As its makers call it.
        Title: string
        /// Under which it may be used, in words.
        Licence: string
        /// Where to get it.
        Address: string
        /// The publication to cite.
        Citation: string
        /// What the folder given to the command holds, in words.
        Expected: string
        /// What of the published files is not taken, and why; may be empty.
        LeftOut: string
        /// Label k is the k-th, from 1.
        Classes: string list
        /// The first that fits anything is the one.
        Layouts: ImportLayout list
        /// The site's name, from the parts of an image's path.
        Site: string
        /// The image's name within its site, from the parts of its path.
        Stem: string
    }
