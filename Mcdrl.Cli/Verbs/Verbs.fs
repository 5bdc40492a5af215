namespace Mcdrl.Cli

/// What `mcdrl` can do.
[<RequireQualifiedAccess>]
module Verbs =
    /// In the order of `mcdrl --help`.
    let all =
        [
            SegmentVerb.verb
            MergeVerb.verb
            DeployVerb.verb
            ServeVerb.verb
            TrainVerb.verb
            SettingsVerb.verb
            EvaluateVerb.verb
            RankVerb.verb
            EncodeVerb.verb
            WeightsGetVerb.verb
            ExportOnnxVerb.verb
            ExportCvatVerb.verb
            BenchVerb.verb
            PhantomVerb.verb
            PretrainVerb.verb
            CardVerb.verb
            DemoVerb.verb
            StudyVerb.verb
            ExperimentVerb.verb
            DataImportVerb.verb
            DataExportVerb.verb
            DataInitVerb.verb
            DataCheckVerb.verb
            DoctorVerb.verb
        ]
