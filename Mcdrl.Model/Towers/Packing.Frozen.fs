namespace Mcdrl

/// The tower as training runs it on the processor: whatever lies below all trained blocks takes no gradient, so it is packed
/// as for inference.
[<RequireQualifiedAccess>]
module FrozenTower =
    /// Both kinds of layers whatever is faster here: a run must end with the same bytes in every process that goes on with it.
    let private packing: Packing =
        {
            Precision = Precision.Fp32
            Linears = true
            Release = ignore
        }

    /// The lists from the first to the last, those of the last `trained` left empty.
    let private below (trained: int) (parts: 'a list list) =
        parts
        |> List.mapi (fun index part -> if index < parts.Length - trained then part else [])

    /// A list that was not trained as it was packed, a trained one as it was.
    let private joined (packed: 'a list) (plain: 'a list) =
        if packed.IsEmpty then plain else packed

    let private vit trained (tower: VisionTransformer) =
        let blocks = tower.transformer.resblocks
        let frozen = max 0 (blocks.Length - trained)

        let packed =
            Packing.vit
                packing
                { tower with
                    transformer = { resblocks = List.take frozen blocks }
                }

        { tower with
            conv1 = packed.conv1
            transformer =
                {
                    resblocks = packed.transformer.resblocks @ List.skip frozen blocks
                }
        }

    let private clipResNet trained (tower: ModifiedResNet) =
        let stages =
            [ tower.layer1; tower.layer2; tower.layer3; tower.layer4 ]
            |> List.truncate (ModifiedResNet.blocks tower).Length
            |> below trained

        let stage number =
            List.tryItem number stages |> Option.defaultValue []

        let packed =
            Packing.clipResNet
                packing
                { tower with
                    layer1 = stage 0
                    layer2 = stage 1
                    layer3 = stage 2
                    layer4 = stage 3
                }

        { packed with
            layer1 = joined packed.layer1 tower.layer1
            layer2 = joined packed.layer2 tower.layer2
            layer3 = joined packed.layer3 tower.layer3
            layer4 = joined packed.layer4 tower.layer4
            // Gradients of trained blocks pass through the pool.
            attnpool = if trained = 0 then packed.attnpool else tower.attnpool
        }

    let private plainResNet trained (tower: PlainResNet) =
        let stages =
            below trained [ tower.layer1; tower.layer2; tower.layer3; tower.layer4 ]

        let packed =
            Packing.plainResNet
                packing
                { tower with
                    layer1 = stages[0]
                    layer2 = stages[1]
                    layer3 = stages[2]
                    layer4 = stages[3]
                    fc = None
                }

        { packed with
            layer1 = joined packed.layer1 tower.layer1
            layer2 = joined packed.layer2 tower.layer2
            layer3 = joined packed.layer3 tower.layer3
            layer4 = joined packed.layer4 tower.layer4
            fc = tower.fc
        }

    /// The fp32 tower with everything packed that lies below its last `trained` parts, see `Tower.parts`. The leaves of these
    /// parts are the same tensors.
    let packed (trained: int) (tower: Tower) : Tower =
        match tower with
        | Tower.ViT tower -> Tower.ViT(vit trained tower)
        | Tower.ClipResNet tower -> Tower.ClipResNet(clipResNet trained tower)
        | Tower.PlainResNet tower -> Tower.PlainResNet(plainResNet trained tower)
