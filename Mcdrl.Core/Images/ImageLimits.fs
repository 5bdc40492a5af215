namespace Mcdrl

/// How large an image may be. Checked against the file's header, before anything is allocated.
type ImageLimits =
    {
        /// Largest width times height.
        MaxPixels: int64
        /// Largest width and largest height.
        MaxSide: int
        /// Largest file, in bytes.
        MaxBytes: int64
    }

/// The limits that hold by default, and the check against any.
[<RequireQualifiedAccess>]
module ImageLimits =
    /// 100 megapixels, 32,768 a side, 512 MiB.
    let standard =
        {
            MaxPixels = 100_000_000L
            MaxSide = 32_768
            MaxBytes = 512L * 1024L * 1024L
        }

    /// Four bytes a pixel must fit in one array, whatever the caller allows.
    let private addressable = 500_000_000L

    /// Whether a picture of this size may be read; `where` names the file.
    let check limits where (width: int64) (height: int64) =
        if width <= 0L || height <= 0L then
            Error(
                McdrlError.data
                    $"the image is {width} x {height} pixels"
                    where
                    "Give an image with at least one pixel"
            )
        elif
            width > int64 limits.MaxSide
            || height > int64 limits.MaxSide
            || width * height > min addressable limits.MaxPixels
        then
            Error(
                McdrlError.resource
                    $"the image is {width} x {height} pixels, over the limit of {limits.MaxPixels} pixels and {limits.MaxSide} a side"
                    where
                    "Give a smaller image"
            )
        else
            Ok()
