namespace Mcdrl

/// The field of view of a scope: what of the sensor sees tissue.
[<RequireQualifiedAccess>]
type Aperture =
    /// The whole frame.
    | Full
    /// A disc.
    | Round
    /// A square with the corners cut off.
    | Octagon
    /// A square with the corners rounded off.
    | Rounded

/// The camera, lamp and processor of a site.
type PhantomOptics =
    {
        /// The shape of the field of view.
        Aperture: Aperture
        /// Radius of the field of view in sides, 0.5 touches the frame's borders.
        Reach: float
        /// Warmth of the light: > 0 yellow, < 0 blue, in about [−0.3, 0.3].
        Warmth: float
        /// Exposure, around 1.
        Gain: float
        /// Standard deviation of the sensor's noise, of full scale.
        Noise: float
        /// Blur of the lens, in sides.
        Softness: float
        /// Edge enhancement of the processor, 0 none.
        Sharpening: float
        /// Contrast of the tone curve, around 1.
        Contrast: float
        /// Where the lamp's cone ends, in sides.
        LampReach: float
    }

/// How the organ lies before the camera.
[<RequireQualifiedAccess>]
type Anatomy =
    /// Along a tube: folds around a dark lumen.
    | Tube
    /// Across folds of a wall.
    | Folds
    /// A wall face on.
    | Wall

/// A hospital: a distribution over optics, anatomy, classes and conditions.
type PhantomSite =
    {
        /// Its folder in a data set.
        Name: string
        /// The usual scope; each examination's differs a little.
        Optics: PhantomOptics
        /// Weight of each anatomy.
        Anatomies: (Anatomy * float) list
        /// Share of frames without a lesion.
        Normal: float
        /// Weight of each class.
        Classes: float list
        /// Mean blood content of the mucosa, around 1.
        Redness: float
        /// How clearly vessels show, 0 to 1.
        Vascularity: float
        /// Probability that a lesion is seen under one of its usual conditions.
        Bias: float
    }

/// Where a lesion lies in the reference view; positions and radius in sides.
type Lesion =
    {
        /// 0-based number in `Phantom.classes`.
        Class: int
        /// Its middle, from the left.
        X: float
        /// Its middle, from the top.
        Y: float
        /// Mean radius of its outline.
        Radius: float
    }

/// Everything that is before the camera, and the camera itself: independent of the imaging condition.
type Scene =
    {
        /// `None` for normal mucosa.
        Lesion: Lesion option
        /// What every detail of the scene is drawn from.
        Seed: Seed
        /// Where it is examined.
        Site: PhantomSite
        /// The site's optics as this examination has them.
        Optics: PhantomOptics
        /// How the organ lies.
        Anatomy: Anatomy
        /// The lumen of a tube; for other anatomies the direction of the folds.
        LumenX: float
        /// With `LumenX`: for a tube the lumen's y.
        LumenY: float
    }

/// The camera of a condition: the frame's point q shows the reference view's point c + (q − a) / zoom.
type PhantomGeometry =
    {
        /// Above 1 for a close-up, below for a distant view.
        Zoom: float
        /// c
        CentreX: float
        /// c
        CentreY: float
        /// a
        AnchorX: float
        /// a
        AnchorY: float
    }

/// The reference view, and the way back to it.
[<RequireQualifiedAccess>]
module PhantomGeometry =
    /// The reference view.
    let reference =
        {
            Zoom = 1.0
            CentreX = 0.5
            CentreY = 0.5
            AnchorX = 0.5
            AnchorY = 0.5
        }

    /// Brings a mask that was drawn on a frame of this geometry back to the reference view, by nearest pixels.
    /// What the frame did not show is background.
    let undo (geometry: PhantomGeometry) (map: LabelMap) : LabelMap =
        let index size centre anchor pixel =
            let reference = (float pixel + 0.5) / float size

            int (floor ((anchor + (reference - centre) * geometry.Zoom) * float size))

        let columns =
            Array.init map.Width (index map.Width geometry.CentreX geometry.AnchorX)

        let rows =
            Array.init map.Height (index map.Height geometry.CentreY geometry.AnchorY)

        let labels =
            [|
                for row in rows do
                    for column in columns do
                        if row < 0 || row >= map.Height || column < 0 || column >= map.Width then
                            0uy
                        else
                            map.Labels[row * map.Width + column]
            |]

        { map with Labels = labels }

/// What the renderer fills pixel by pixel before light falls on it; `Side * Side` values each.
[<NoComparison; NoEquality>]
type PhantomFields =
    {
        /// Pixels a side.
        Side: int
        /// Which part of the scene the pixels show.
        Geometry: PhantomGeometry
        /// Distance of neighbouring pixels in the scene, in sides.
        Pitch: float32
        /// The scene's x of each column.
        X: float32[]
        /// The scene's y of each row.
        Y: float32[]
        /// Relief towards the camera, in sides.
        Height: float32[]
        /// Share of the lamp's light that arrives, for depth and occlusion.
        Light: float32[]
        /// Haemoglobin, 1 is normal mucosa.
        Blood: float32[]
        /// Share of the lesion's own pale pigment.
        Pale: float32[]
        /// Share of light lost to dark pigment.
        Dark: float32[]
        /// Wetness: 1 is normal mucosa.
        Gloss: float32[]
        /// 0 background, class + 1 in a lesion.
        Labels: byte[]
    }

/// Makes fields, and finds the pixels that show a place of the scene.
[<RequireQualifiedAccess>]
module PhantomFields =
    /// Level, evenly lit, normal mucosa everywhere.
    let create side (geometry: PhantomGeometry) =
        let plane value = Array.create (side * side) value

        let places centre anchor =
            Array.init side (fun index ->
                float32 centre
                + ((float32 index + 0.5f) / float32 side - float32 anchor) / float32 geometry.Zoom)

        {
            Side = side
            Geometry = geometry
            Pitch = float32 (1.0 / (float side * geometry.Zoom))
            X = places geometry.CentreX geometry.AnchorX
            Y = places geometry.CentreY geometry.AnchorY
            Height = plane 0f
            Light = plane 1f
            Blood = plane 1f
            Pale = plane 0f
            Dark = plane 0f
            Gloss = plane 1f
            Labels = Array.zeroCreate (side * side)
        }

    /// The scene's x of a column.
    let x (fields: PhantomFields) column = fields.X[column]

    /// The scene's y of a row.
    let y (fields: PhantomFields) row = fields.Y[row]

    /// The columns and rows (first and last) that show the square of this half width around (x, y).
    let window (fields: PhantomFields) (x: float32) (y: float32) (reach: float32) =
        let side = float32 fields.Side
        let g = fields.Geometry

        let pixel (value: float32) centre anchor =
            int (floor ((float32 anchor + (value - float32 centre) * float32 g.Zoom) * side))

        let inside value = max 0 (min (fields.Side - 1) value)

        struct (inside (pixel (x - reach) g.CentreX g.AnchorX),
                inside (pixel (x + reach) g.CentreX g.AnchorX + 1),
                inside (pixel (y - reach) g.CentreY g.AnchorY),
                inside (pixel (y + reach) g.CentreY g.AnchorY + 1))
