namespace Mcdrl

/// A region in a frame's line; coordinates are pixels of the mask.
type FrameRegionReport =
    {
        /// Name of its class in the model.
        Class: string
        /// The value in the mask.
        Label: int
        /// Number of the track that it belongs to; none until a lesion has been seen in three frames.
        Track: int option
        /// Pixels.
        Area: int64
        /// P(class), mean over the region's pixels, 0 to 1.
        MeanProbability: float
        /// P(class), the largest of the region's pixels.
        MaxProbability: float
        /// Left, top, width, height.
        Box: int list
    }

/// A line of a clip's JSON lines: a frame.
type FrameReport =
    {
        /// Its number among the frames that were segmented, from 0: that of the frame in the mask and in the overlay.
        Frame: int
        /// Its time stamp, seconds from the clip's beginning.
        Time: float
        /// How sure the model is that the frame shows a lesion anywhere: the largest P(class) of all pixels, marked or not.
        Score: float
        /// Share of the frame that is marked, 0 to 1.
        Share: float
        /// Connected regions, by class, the largest first.
        Regions: FrameRegionReport list
    }

/// A lesion over time; coordinates are pixels of the mask.
type TrackReport =
    {
        /// From 1, in the order in which lesions were sure.
        Track: int
        /// Name of its class in the model.
        Class: string
        /// Time of the first frame that shows it, seconds from the clip's beginning.
        First: float
        /// Time of the last frame that shows it.
        Last: float
        /// `polyp, seen from 0:12 to 0:19`.
        Text: string
        /// Frames that show it.
        Frames: int
        /// P(class), the largest of its pixels in any frame.
        MaxProbability: float
        /// Pixels where most of it is seen.
        Area: int64
        /// Time of that frame.
        LargestAt: float
        /// Left, top, width, height there.
        Box: int list
    }

/// What `segment` tells of a clip.
type VideoReport =
    {
        /// The clip, as its headers tell it.
        Clip: VideoClip
        /// Seconds from which on frames were segmented.
        From: float
        /// Seconds up to which frames were segmented; none where that is the end.
        To: float option
        /// Each so-manieth frame was segmented.
        Every: int
        /// At most so many frames a second were segmented; none where it is all of them.
        Fps: float option
        /// Frames that were segmented.
        Frames: int
        /// Seconds between neighbouring ones of these, the least and the most: they differ in clips of variable rate. Empty for a single frame.
        Intervals: float list
        /// How the model was asked to intervene.
        Mode: Marginalisation
        /// P(lesion) at or above which pixels were marked; absent where each has its most probable class.
        Threshold: float option
        /// Regions of fewer pixels were not marked.
        MinArea: int64
        /// Seconds after which an answer counts for a third in those that follow; none where each frame stands alone.
        Smooth: float option
        /// Lesions over time.
        Tracks: TrackReport list
        /// How restless the marks are as the model gives them; none of a single frame.
        FlickerOfModel: FlickerReport option
        /// How restless the marks are that are written; none of a single frame.
        Flicker: FlickerReport option
        /// The overlay's file, beside the report.
        Overlay: string
        /// The mask's file, beside the report: FFV1, grey, the value of a pixel is its label.
        Mask: string
        /// The file of JSON lines, beside the report: a `FrameReport` each.
        Lines: string
        /// FFmpeg's version.
        Ffmpeg: string
        /// That this is no medical device; in every report.
        Notice: string
    }
