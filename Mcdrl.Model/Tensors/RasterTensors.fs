namespace Mcdrl

open System
open TorchSharp

/// Pictures and label maps as tensors, and back.
[<RequireQualifiedAccess>]
module RasterTensors =
    /// `count` rows of a picture from row `first` on as a byte tensor [3, count, Width].
    let ofRows (first: int) (count: int) (picture: Picture) : Tensor =
        let bytes =
            Array.sub picture.Rgb (first * picture.Width * 3) (count * picture.Width * 3)

        scoped (fun () ->
            torch
                .tensor(bytes, ReadOnlySpan [| int64 count; int64 picture.Width; 3L |])
                .permute(2L, 0L, 1L)
                .contiguous())

    /// A picture as a byte tensor [3, Height, Width].
    let ofPicture (picture: Picture) : Tensor = ofRows 0 picture.Height picture

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
