namespace Mcdrl.Tests

open System.Text.RegularExpressions

/// The names that an F# source file declares and uses, read without a compiler. Functions of a module that opens itself
/// are used without a name that could be read.
type SourceNames =
    {
        /// Modules declared at namespace level.
        Modules: Set<string>
        /// Types declared there.
        Types: Set<string>
        /// Names with a dot behind them, of a module or of a type, and what is opened.
        Qualified: Set<string>
        /// Names without, where a type may stand.
        Bare: Set<string>
    }

[<RequireQualifiedAccess>]
module SourceNames =
    /// Comments, texts and characters; `hole` is what an interpolated text holds. \x22 is a quotation mark.
    let private unread =
        Regex
            """(?xs)
              \(\*(?!\)).*?\*\)
            | //[^\n]*
            | \$+\x22{3} (?<hole>.*?) \x22{3}
            | \x22{3}.*?\x22{3}
            | (?:\$@|@\$)\x22 (?<hole>(?:[^\x22]|\x22\x22)*) \x22
            | @\x22(?:[^\x22]|\x22\x22)*\x22
            | \$\x22 (?<hole>(?:\\.|[^\x22\\])*) \x22
            | \x22(?:\\.|[^\x22\\])*\x22
            | '(?:\\.[^']*|[^'\\\n])'
            """

    let private embedded = Regex @"(?<!\{)\{([^{}]+)\}"

    /// The text without comments, texts and characters; the expressions in interpolated texts stay.
    let codeOf (text: string) : string =
        unread.Replace(
            text,
            fun found ->
                embedded.Matches found.Groups["hole"].Value
                |> Seq.map _.Groups[1].Value
                |> String.concat " "
        )

    let private declaredModule =
        Regex(
            @"^(?:\[<.*?>\]\s*)*module\s+(?:(?:rec|public|internal|private)\s+)*(?:\w+\.)*(\w+)",
            RegexOptions.Multiline
        )

    let private declaredType =
        Regex(
            @"^(?:\[<.*?>\]\s*)*(?:type|and|exception)\s+(?:\[<.*?>\]\s*)*(?:(?:public|internal|private)\s+)?(\w+)",
            RegexOptions.Multiline
        )

    let private ownNamespace =
        Regex(@"^namespace .*$|(?<![\w.])Mcdrl\.(?:Cli\.)?(?=[A-Z])", RegexOptions.Multiline)

    let private qualified = Regex @"(?<![\w.'`])([A-Z]\w*)(?=\.)"

    let private opened =
        Regex(@"\bopen\s+(?:type\s+)?([A-Z]\w*)|^\s*module\s+\w+\s*=\s*([A-Z]\w*)", RegexOptions.Multiline)

    /// No case of a union, no label of a record, no named argument.
    let private bare =
        Regex
            @"(?<![\w.'`]|\|\s*|>\]\s*)([A-Z]\w*)(?![\w.']|\s+of\b|\s*:(?![?>]))(?:(?<=[:>*]\s*\w+)|(?!\s*=))"

    let private found (pattern: Regex) (code: string) =
        pattern.Matches code
        |> Seq.collect (fun found -> Seq.skip 1 found.Groups)
        |> Seq.filter _.Success
        |> Seq.map _.Value
        |> Set

    /// The names in code without comments and texts, see `codeOf`.
    let ofCode (code: string) : SourceNames =
        let inside = ownNamespace.Replace(code, "")

        {
            Modules = found declaredModule code
            Types = found declaredType code
            Qualified = found qualified inside + found opened inside
            Bare = found bare inside
        }
