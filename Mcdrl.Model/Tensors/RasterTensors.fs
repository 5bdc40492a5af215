namespace Mcdrl

open System
open TorchSharp

/// Pictures and label maps as tensors, and back.
[<RequireQualifiedAccess>]
module RasterTensors =
    /// A picture as a byte tensor [3, Height, Width].
    let ofPicture (picture: Picture) : Tensor =
        scoped (fun () ->
            torch
                .tensor(picture.Rgb, ReadOnlySpan [| int64 picture.Height; int64 picture.Width; 3L |])
                .permute(2L, 0L, 1L)
                .contiguous())

    /// Labels as an int64 tensor [Height, Width].
    let ofLabels (map: LabelMap) : Tensor =
        scoped (fun () ->
            torch.tensor(map.Labels, ReadOnlySpan [| int64 map.Height; int64 map.Width |]).``to``
                torch.ScalarType.Int64)

    /// A tensor [Height, Width] of labels between 0 and 255 (any integer type) as a map.
    let toLabels (labels: Tensor) : LabelMap =
        use _scope = torch.NewDisposeScope()
        let bytes = labels.``to``(torch.ScalarType.Byte).cpu().contiguous()

        {
            Width = int labels.shape[1]
            Height = int labels.shape[0]
            Labels = bytes.data<byte>().ToArray()
        }
