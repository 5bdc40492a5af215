namespace Mcdrl

open System.Collections.Generic
open System.Globalization
open TorchSharp

/// A tensor that the graph will compute: its name and its shape, in which at most one axis is −1, the one that depends on
/// how many images there are.
[<RequireQualifiedAccess>]
type internal OnnxValue = { Name: string; Shape: int64 list }

/// A graph under construction. Nodes are added in an order in which they can be computed.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type internal OnnxGraph =
    private
        {
            /// The name of each leaf of the model.
            Names: Dictionary<Tensor, string>
            Nodes: List<OnnxNode>
            Initialisers: Dictionary<string, Tensor>
            /// How often each name was asked for.
            Counts: Dictionary<string, int>
        }

[<RequireQualifiedAccess>]
module internal OnnxGraph =
    /// An empty graph; `leaves` are the weights that it may hold, under the names that they will have.
    let create (leaves: (string * Tensor) list) : OnnxGraph =
        let names = Dictionary<Tensor, string>(HashIdentity.Reference)

        for name, leaf in leaves do
            names[leaf] <- name

        {
            Names = names
            Nodes = List()
            Initialisers = Dictionary()
            Counts = Dictionary()
        }

    let private fresh (graph: OnnxGraph) (name: string) =
        let count =
            match graph.Counts.TryGetValue name with
            | true, count -> count
            | false, _ -> 0

        graph.Counts[name] <- count + 1
        $"{name}.{count}"

    /// A node with one output of the given shape.
    let node (graph: OnnxGraph) op (inputs: OnnxValue list) attributes (shape: int64 list) : OnnxValue =
        let name = fresh graph op

        graph.Nodes.Add
            {
                Op = op
                Inputs = inputs |> List.map _.Name
                Outputs = [ name ]
                Attributes = attributes
            }

        { Name = name; Shape = shape }

    /// The second output alone of a node with two.
    let nodeOfSecond
        (graph: OnnxGraph)
        op
        (inputs: OnnxValue list)
        attributes
        (shape: int64 list)
        : OnnxValue =
        let name = fresh graph op

        graph.Nodes.Add
            {
                Op = op
                Inputs = inputs |> List.map _.Name
                Outputs = [ $"{name}.first"; name ]
                Attributes = attributes
            }

        { Name = name; Shape = shape }

    let private hold (graph: OnnxGraph) name (tensor: Tensor) : OnnxValue =
        graph.Initialisers[name] <- tensor

        {
            Name = name
            Shape = List.ofArray tensor.shape
        }

    /// A constant computed from the weights.
    let constant (graph: OnnxGraph) (name: string) (tensor: Tensor) = hold graph (fresh graph name) tensor

    /// A weight under its own name.
    let weight (graph: OnnxGraph) (leaf: Tensor) =
        match graph.Names.TryGetValue leaf with
        | true, name -> hold graph name leaf
        | false, _ -> constant graph "weight" leaf

    /// A view of a weight (transposed, reshaped, a part) under the weight's name and `suffix`.
    let view (graph: OnnxGraph) (leaf: Tensor) (suffix: string) (view: Tensor) =
        match graph.Names.TryGetValue leaf with
        | true, name -> hold graph $"{name}.{suffix}" view
        | false, _ -> constant graph suffix view

    let private cached (graph: OnnxGraph) name (make: unit -> Tensor) : OnnxValue =
        match graph.Initialisers.TryGetValue name with
        | true, tensor ->
            {
                Name = name
                Shape = List.ofArray tensor.shape
            }
        | false, _ -> hold graph name (make ())

    /// A float32 number without axes.
    let number (graph: OnnxGraph) (value: float) =
        let text = value.ToString("R", CultureInfo.InvariantCulture)
        cached graph $"number.{text}" (fun () -> torch.tensor (float32 value))

    /// Whole numbers along one axis.
    let integers (graph: OnnxGraph) (values: int64 list) =
        let text = values |> List.map string |> String.concat ","
        cached graph $"integers.{text}" (fun () -> torch.tensor (List.toArray values))

    /// Calls a value by another name, as the graph's outputs are.
    let named (graph: OnnxGraph) (name: string) (value: OnnxValue) : OnnxValue =
        graph.Nodes.Add
            {
                Op = "Identity"
                Inputs = [ value.Name ]
                Outputs = [ name ]
                Attributes = []
            }

        { value with Name = name }

    /// The nodes and constants that these outputs depend on.
    let finish (graph: OnnxGraph) (outputs: OnnxValue list) : OnnxNode list * OnnxTensor list =
        let needed = HashSet(outputs |> List.map _.Name)

        let nodes =
            List.ofSeq graph.Nodes
            |> List.rev
            |> List.filter (fun node ->
                let isNeeded = node.Outputs |> List.exists needed.Contains

                if isNeeded then
                    needed.UnionWith node.Inputs

                isNeeded)
            |> List.rev

        nodes,
        [
            for KeyValue(name, tensor) in graph.Initialisers do
                if needed.Contains name then
                    { Name = name; Value = tensor }
        ]
