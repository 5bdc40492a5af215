namespace Mcdrl

/// What no model may exceed, whatever its files say: checked before memory is given to anything that follows from it.
[<RequireQualifiedAccess>]
module ModelLimits =
    /// Lesion classes: a label is a byte, and 0 is background.
    let mostClasses = 255

    /// Conditions of a dictionary.
    let mostConditions = 256

    /// Characters of a class or a condition.
    let longestName = 200

    /// The smallest and the largest side of a network's input in pixels.
    let smallestSide, largestSide = 32, 2048

    /// Numbers in the answers under all conditions together, M·(K + 1)·S²: 4 GiB of float32.
    let mostAnswers = 1L <<< 30

    /// The smallest and the largest mean of a colour channel, and of its deviation, where levels are 0 to 1.
    let smallestMean, largestMean, smallestStd, largestStd = -10.0, 10.0, 1e-3, 1e3

    let private names kind most (names: string list) =
        [
            if names.IsEmpty then
                $"there is no {kind}"
            if names.Length > most then
                $"there are {names.Length}, more than {most}"
            if names |> List.exists (fun name -> name.Trim() = "") then
                "one is empty"
            if names |> List.exists (fun name -> name.Length > longestName) then
                $"one has more than {longestName} characters"
            for name, count in names |> List.truncate (most + 1) |> List.countBy _.Trim() do
                if count > 1 && name.Length <= longestName then
                    $"\"{name}\" is named {count} times"
        ]

    /// What is wrong with a model's lesion classes; empty if nothing is.
    let classFaults (classes: string list) : string list =
        [
            yield! names "class" mostClasses classes
            if List.contains "background" classes then
                "one is called background, which is always there"
        ]

    /// What is wrong with a dictionary's conditions; empty if nothing is.
    let conditionFaults (conditions: string list) : string list =
        names "condition" mostConditions conditions

    /// What is wrong with the side of a network's input; empty if nothing is.
    let sideFaults (side: int) : string list =
        [
            if side < smallestSide || side > largestSide then
                $"{side} does not lie between {smallestSide} and {largestSide}"
        ]

    /// What is wrong with the size of the answers to one frame under `conditions` conditions; empty if nothing is. Each part must be
    /// within its own bounds.
    let answerFaults (classes: int) (conditions: int) (side: int) : string list =
        let numbers =
            int64 (max 1 conditions) * (int64 classes + 1L) * int64 side * int64 side

        [
            if numbers > mostAnswers then
                $"the answers under {conditions} conditions to {classes} classes at {side} x {side} are {numbers} numbers, more than {mostAnswers}"
        ]

    /// What is wrong with the colours' means, and with their deviations; empty if nothing is.
    let colourFaults (mean: float list) (std: float list) : string list =
        let within low high (value: float) = value >= low && value <= high

        [
            if mean.Length <> 3 || std.Length <> 3 then
                "mean and std do not have three channels"
            if not (List.forall (within smallestMean largestMean) mean) then
                $"a mean does not lie between {smallestMean} and {largestMean}"
            if not (List.forall (within smallestStd largestStd) std) then
                $"a std does not lie between {smallestStd} and {largestStd}"
        ]
