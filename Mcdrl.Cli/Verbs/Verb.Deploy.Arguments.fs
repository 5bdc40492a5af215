namespace Mcdrl.Cli

open Argu

type DeployArgument =
    | [<MainCommand>] Engine_And_Work of words: string list
    | [<Mandatory; Unique>] Out of folder: string
    | [<Mandatory; Unique>] Parts of number: int
    | [<Unique>] List of file: string
    | [<Unique>] Root of folder: string
    | [<Unique>] Model of folder: string
    | [<Unique>] Onnx of file: string
    | [<Unique>] Mode of name: string
    | [<Unique>] Precision of name: string
    | [<Unique>] Threshold of probability: float
    | [<Unique>] Min_Area of pixels: int64
    | [<Unique>] Probabilities
    | [<Unique>] Explain
    | [<Unique>] Data of folder: string
    | [<Unique>] Test of folder: string
    | [<Unique>] Tower of name: string
    | [<Unique>] Weights of path: string
    | [<Unique>] Text of file: string
    | [<Unique>] Text_Weights of folder: string
    | [<Unique>] Preset of name: string
    | [<Unique>] Config of file: string
    | Set of assignment: string
    | [<Unique>] Seeds of count: int
    | [<Unique>] Methods of keys: string
    | [<Unique>] Protocol of name: string
    | [<Unique>] Conditions of frames: int
    | [<Unique>] Device of name: string
    | [<Unique>] At_Once of parts: int
    | [<Unique>] Minutes of number: int
    | [<Unique>] Cpus of number: int
    | [<Unique>] Memory of gigabytes: int
    | [<Unique>] Gpus of number: int
    | [<Unique>] Program of path: string
    | [<Unique>] Modules of names: string
    | [<Unique>] Image of name: string
    | [<Unique>] Partition of name: string
    | [<Unique>] Claim of name: string
    | [<Unique>] Mount of folder: string
    | [<Unique>] Name of name: string
    | [<Unique>] To of folder: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Engine_And_Work _ ->
                "slurm (an array), k8s (an Indexed Job) or parallel (GNU parallel, one machine); then `segment`, which may be left out, or `experiment` and its name."
            | Out _ -> "where results go; all processes must see it."
            | Parts _ ->
                "into how many parts the work is divided. Slurm takes 1001 unless its MaxArraySize says otherwise."
            | List _ ->
                "segment: the list of `mcdrl segment --list`, where the processes see it. If it is here too, it is checked."
            | Root _ -> $"segment: {SegmentList.rootUsage}"
            | Model _ ->
                "segment: the model's folder, where the processes see it. Default: the one that comes with Mcdrl."
            | Onnx _ -> "segment: an exported model in its place."
            | Mode _
            | Precision _
            | Threshold _
            | Min_Area _
            | Probabilities
            | Explain -> "as of `mcdrl segment`."
            | Data _ ->
                "experiment: the dataset's folder, where the processes see it. If it is here too, the runs are counted."
            | Test _
            | Tower _
            | Weights _
            | Text _
            | Text_Weights _
            | Preset _
            | Config _
            | Set _
            | Seeds _
            | Methods _
            | Protocol _
            | Conditions _ -> "as of `mcdrl experiment`."
            | Device _ -> "as of `mcdrl segment`. Default: cuda with --gpus, else cpu."
            | At_Once _ -> "how many parts are worked on at once. Default 4."
            | Minutes _ -> "how long a part may take; what it did by then is kept. Default 60."
            | Cpus _ -> "processors of a part. Default 2."
            | Memory _ -> "memory of a part in GiB. Default 4."
            | Gpus _ -> "graphics cards of a part. Default 0."
            | Program _ -> "the command, by its name or path there. Default mcdrl."
            | Modules _ -> "environment modules that are loaded first, with commas (slurm, parallel)."
            | Image _ ->
                "the image of a container that the command is in; needed for k8s. Slurm and parallel run it by Apptainer."
            | Partition _ -> "Slurm's partition."
            | Claim _ -> "the PersistentVolumeClaim that holds all that is read and written (k8s)."
            | Mount _ -> "the folder at which the pods see the claim. Default /data."
            | Name _ -> "what the engine calls it. Default mcdrl."
            | To _ -> "the folder that the files are written to. Default: deploy/ENGINE/WORK."
