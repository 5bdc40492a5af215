namespace Mcdrl.Cli

open System.Text.Json
open System.Text.Encodings.Web

/// A plan as an Indexed Job of Kubernetes, a part a pod, and a Job for what follows.
[<RequireQualifiedAccess>]
module DeployKubernetes =
    let private options =
        JsonSerializerOptions(Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping)

    /// A text as YAML takes it whatever it holds: as JSON does.
    let private text (value: string) =
        JsonSerializer.Serialize(value, options)

    let private words (words: string list) =
        words |> List.map text |> String.concat ", "

    /// Seconds that a pod has after SIGTERM: the command needs a fraction of one.
    let private grace = 30

    /// How often a part may fail, as when its node goes, before it is given up.
    let private retries = 5

    let private container (plan: DeployPlan) image (cpus: int) (memory: int) gpus (command: string list) =
        [
            $"      containers:"
            $"        - name: mcdrl"
            $"          image: {text image}"
            $"          command: [{words command}]"
            $"          env:"
            $"            - name: {DeployPlan.processors}"
            $"              value: \"{cpus}\""
            $"          resources:"
            $"            requests:"
            $"              cpu: \"{cpus}\""
            $"              memory: {memory}Gi"
            $"            limits:"
            $"              memory: {memory}Gi"
            if gpus > 0 then
                $"              nvidia.com/gpu: \"{gpus}\""
            match plan.Claim with
            | Some(claim, folder) ->
                $"          volumeMounts:"
                $"            - name: data"
                $"              mountPath: {text folder}"
                $"      volumes:"
                $"        - name: data"
                $"          persistentVolumeClaim:"
                $"            claimName: {text claim}"
            | None -> ()
        ]

    let private job (name: string) (comments: string list) (spec: string list) (pod: string list) =
        [
            yield! comments
            "apiVersion: batch/v1"
            "kind: Job"
            "metadata:"
            $"  name: {name}"
            "spec:"
            yield! spec
            "  template:"
            "    spec:"
            "      restartPolicy: Never"
            $"      terminationGracePeriodSeconds: {grace}"
            yield! pod
            ""
        ]
        |> String.concat "\n"

    let private parts (plan: DeployPlan) image =
        job
            plan.Name
            [
                $"# Made by `mcdrl deploy k8s`: a pod {plan.Work.Does}, which JOB_COMPLETION_INDEX tells. It may be started again at any time."
            ]
            [
                "  completionMode: Indexed"
                $"  completions: {plan.Parts}"
                $"  parallelism: {plan.AtOnce}"
                $"  backoffLimitPerIndex: {retries}"
                // Without it the first part that is given up ends the others.
                $"  maxFailedIndexes: {plan.Parts}"
                "  podFailurePolicy:"
                "    rules:"
                "      # Wrong usage, a wrong model, a wrong list: again, it would be the same."
                "      - action: FailIndex"
                "        onExitCodes:"
                "          containerName: mcdrl"
                "          operator: In"
                "          values: [2, 3, 4]"
                "      # A node that goes is no fault of the part."
                "      - action: Ignore"
                "        onPodConditions:"
                "          - type: DisruptionTarget"
            ]
            [
                $"      activeDeadlineSeconds: {plan.Minutes * 60}"
                yield! container plan image plan.Cpus plan.Memory plan.Gpus (DeployPlan.part plan)
            ]

    let private closing (plan: DeployPlan) image =
        let closing = plan.Work.Closing

        let cpus, memory = if closing.IsLarge then plan.Cpus, plan.Memory else 1, 2

        job
            $"{plan.Name}-{closing.Name}"
            [
                $"# Made by `mcdrl deploy k8s`: {closing.Does}, when the parts have ended:"
                $"# kubectl wait --for=condition=complete --timeout=-1s job/{plan.Name}"
            ]
            [ "  backoffLimit: 0" ]
            (container plan image cpus memory 0 (DeployPlan.closing plan))

    /// The Jobs of the parts and of what follows, by the image that the command is in.
    let files (plan: DeployPlan) : DeployFile list =
        let image = Option.defaultValue plan.Program plan.Image

        [
            {
                Name = $"{plan.Work.Name}.yaml"
                Text = parts plan image
                IsProgram = false
            }
            {
                Name = $"{plan.Work.Closing.Name}.yaml"
                Text = closing plan image
                IsProgram = false
            }
        ]
