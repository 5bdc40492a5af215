namespace Mcdrl

open TorchSharp

/// How the sides of an image become those of the network's input.
[<RequireQualifiedAccess>]
type ResizeMethod =
    /// Both sides to the input size by Pillow's antialiased bicubic, aspect not kept.
    | SquashBicubic

/// How an image becomes the network's input.
type Preprocessing =
    {
        /// How any size becomes square.
        Resize: ResizeMethod
        /// S, side of the input in pixels.
        InputSize: int
        /// Subtracted from RGB in [0, 1], one number per channel.
        Mean: float list
        /// Divided by, one number per channel.
        Std: float list
    }

/// Pictures and frames as networks take them.
[<RequireQualifiedAccess>]
module Preprocessing =
    /// What a tower takes, at this input size.
    let ofTower (inputSize: int) (tower: Tower) : Preprocessing =
        let mean, std = Tower.normalisation tower

        {
            Resize = ResizeMethod.SquashBicubic
            InputSize = inputSize
            Mean = mean
            Std = std
        }

    /// Levels 0…255 of any type as float32 in [0, 1].
    let ofLevels (levels: Tensor) : Tensor =
        scoped (fun () -> levels.``to``(torch.float32).div(scalar 255.0))

    /// A picture as a network of this input size takes it, [3, side, side] in [0, 1].
    let frame (side: int) (picture: Picture) : Tensor =
        scoped (fun () -> Resize.picture side side picture |> ofLevels)

    /// Levels in [0, 1] to what the tower expects. [B, 3, S, S]
    let normalised (mean: float32 array) (std: float32 array) (frames: Tensor) =
        scoped (fun () ->
            let channel (values: float32 array) =
                torch.tensor(values, device = frames.device).view(1L, 3L, 1L, 1L)

            frames.sub(channel mean).div(channel std))
