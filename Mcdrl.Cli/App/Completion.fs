namespace Mcdrl.Cli

open Mcdrl

/// Scripts by which shells complete the command: verbs, their options, and files for all else.
[<RequireQualifiedAccess>]
module Completion =
    /// Words that stand where a verb may and are none.
    let builtIn = [ "help"; "completion" ]

    /// The shells that have a script.
    let shells = [ "bash"; "zsh"; "pwsh" ]

    let private everywhere = [ "--help"; "--json" ]

    /// What may follow: nothing yet, or the first word of verbs of two.
    let private nexts (verbs: Verb list) =
        let words = verbs |> List.map (fun verb -> verb.Name.Split ' ' |> List.ofArray)

        let first =
            (words |> List.map List.head |> List.distinct)
            @ builtIn
            @ [ "--help"; "--version" ]

        let second =
            words
            |> List.filter (fun words -> words.Length > 1)
            |> List.groupBy List.head
            |> List.map (fun (head, words) -> head, words |> List.map (List.item 1))

        first,
        second
        @ [
            "completion", shells
            "help", first |> List.filter (fun word -> not (word.StartsWith '-'))
        ]

    let private optionsOf (verb: Verb) =
        [
            for name, usage in verb.Options() do
                if not (List.contains name everywhere) then
                    name, usage
            "--help", "print its arguments"
            "--json", "print results as one JSON object per line"
        ]

    let private joined (words: string list) = String.concat " " words

    let private bash (verbs: Verb list) =
        let first, second = nexts verbs

        [
            "# mcdrl completion for bash: source <(mcdrl completion bash)"
            "_mcdrl() {"
            "    local current=\"${COMP_WORDS[COMP_CWORD]}\" next=\"\" options=\"\""
            "    COMPREPLY=()"
            "    case \"$COMP_CWORD ${COMP_WORDS[1]}\" in"
            $"    \"1 \"*) next=\"{joined first}\" ;;"
            for word, nexts in second do
                $"    \"2 {word}\") next=\"{joined nexts}\" ;;"
            "    esac"
            "    if [[ -n $next ]]; then"
            "        mapfile -t COMPREPLY < <(compgen -W \"$next\" -- \"$current\")"
            "        return"
            "    fi"
            "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in"
            for verb in verbs do
                let pattern =
                    if verb.Name.Contains ' ' then
                        $"\"{verb.Name}\""
                    else
                        $"\"{verb.Name} \"*"

                $"    {pattern}) options=\"{optionsOf verb |> List.map fst |> joined}\" ;;"
            "    esac"
            "    if [[ $current == -* ]]; then"
            "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\")"
            "    else"
            "        compopt -o filenames 2>/dev/null"
            "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")"
            "    fi"
            "}"
            "complete -F _mcdrl mcdrl"
        ]

    /// A word or sentence between single quotes, as zsh and PowerShell read it; theirs differ in how a quote is written there.
    let private quoted (escape: string) (text: string) =
        "'" + text.Replace("'", escape).Replace('\n', ' ') + "'"

    let private zsh (verbs: Verb list) =
        let first, second = nexts verbs
        let quote = quoted "'\\''"

        let described (options: (string * string) list) =
            options
            |> List.map (fun (name, usage: string) -> quote (name + ":" + usage.Replace(":", "\\:")))
            |> joined

        [
            "#compdef mcdrl"
            "# mcdrl completion for zsh: source <(mcdrl completion zsh)"
            "_mcdrl() {"
            "    local -a options"
            $"    if (( CURRENT == 2 )); then compadd -- {joined first}; return; fi"
            "    if (( CURRENT == 3 )); then"
            "        case $words[2] in"
            for word, nexts in second do
                $"        ({word}) compadd -- {joined nexts}; return ;;"
            "        esac"
            "    fi"
            "    case \"$words[2] $words[3]\" in"
            for verb in verbs do
                let pattern =
                    if verb.Name.Contains ' ' then
                        $"\"{verb.Name}\""
                    else
                        $"\"{verb.Name} \"*"

                $"    ({pattern}) options=({described (optionsOf verb)}) ;;"
            "    esac"
            "    if [[ $words[CURRENT] == -* ]]; then"
            "        _describe -o option options"
            "    else"
            "        _files"
            "    fi"
            "}"
            "if [[ $funcstack[1] == _mcdrl ]]; then _mcdrl \"$@\"; else compdef _mcdrl mcdrl; fi"
        ]

    let private pwsh (verbs: Verb list) =
        let first, second = nexts verbs
        let quote = quoted "''"

        let list (words: string list) =
            words |> List.map quote |> String.concat ", "

        [
            "# mcdrl completion for PowerShell: mcdrl completion pwsh | Out-String | Invoke-Expression"
            "Register-ArgumentCompleter -Native -CommandName mcdrl -ScriptBlock {"
            "    param($current, $line, $position)"
            "    $words = @($line.CommandElements | Where-Object { $_.Extent.EndOffset -lt $position } | ForEach-Object { $_.ToString() })"
            "    $options = @{"
            for verb in verbs do
                $"        {quote verb.Name} = @({list (optionsOf verb |> List.map fst)})"
            "    }"
            "    $second = @{"
            for word, nexts in second do
                $"        {quote word} = @({list nexts})"
            "    }"
            $"    if ($words.Count -le 1) {{ $found = @({list first}) }}"
            "    elseif ($words.Count -eq 2 -and $second.ContainsKey($words[1])) { $found = $second[$words[1]] }"
            "    elseif ($current -like '-*') {"
            "        $found = $options[$words[1]]"
            "        if (-not $found -and $words.Count -gt 2) { $found = $options[\"$($words[1]) $($words[2])\"] }"
            "    }"
            "    else { $found = @() }"
            "    $found | Where-Object { $_ -like \"$current*\" } | ForEach-Object {"
            "        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)"
            "    }"
            "}"
        ]

    /// The script of a shell; a shell that has none is a `Usage` error.
    let script (verbs: Verb list) (shell: string) : Result<string, McdrlError> =
        let lines =
            match shell with
            | "bash" -> Some bash
            | "zsh" -> Some zsh
            | "pwsh"
            | "powershell" -> Some pwsh
            | _ -> None

        match lines with
        | Some lines -> Ok(lines verbs |> String.concat "\n")
        | None ->
            Error(
                McdrlError.usage
                    $"there is no completion for '{shell}'"
                    "mcdrl completion"
                    $"""{Spelling.hint shells shell}Name one of {String.concat ", " shells}"""
            )
