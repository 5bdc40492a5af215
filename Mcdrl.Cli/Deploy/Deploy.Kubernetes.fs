namespace Mcdrl.Cli

open System.Text.Json
open System.Text.Encodings.Web

/// A plan as an Indexed Job of Kubernetes, a part a pod, and a Job that merges.
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

    let private segment (plan: DeployPlan) image =
        job
            plan.Name
            [
                "# Made by `mcdrl deploy k8s`: a pod segments one part, which JOB_COMPLETION_INDEX tells. It may be started again at any time."
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
                yield! container plan image plan.Cpus plan.Memory plan.Gpus (DeployPlan.segment plan)
            ]

    let private merge (plan: DeployPlan) image =
        job
            $"{plan.Name}-merge"
            [
                "# Made by `mcdrl deploy k8s`: makes one file of all parts, or names those that are missing, when they have ended:"
                $"# kubectl wait --for=condition=complete --timeout=-1s job/{plan.Name}"
            ]
            [ "  backoffLimit: 0" ]
            (container plan image 1 2 0 (DeployPlan.merge plan))

    /// The Jobs of the parts and of the merge, by the image that the command is in.
    let files (plan: DeployPlan) : DeployFile list =
        let image = Option.defaultValue plan.Program plan.Image

        [
            {
                Name = "segment.yaml"
                Text = segment plan image
                IsProgram = false
            }
            {
                Name = "merge.yaml"
                Text = merge plan image
                IsProgram = false
            }
        ]
