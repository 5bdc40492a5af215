namespace Mcdrl.Cli

open System.IO

/// A file or folder that every process of a deployment must see.
type DeployPlace =
    {
        /// The flag that names it.
        Flag: string
        /// Where the processes see it.
        Path: string
        /// The folder to show them: itself, or the one that it is in.
        Folder: string
    }

/// What follows when all parts have ended.
type DeployClosing =
    {
        /// One word, for a file's and a job's name.
        Name: string
        /// What it does, after "It".
        Does: string
        /// The words after the command.
        Words: string list
        /// Whether it is of use only where no part failed.
        NeedsAll: bool
        /// Whether it needs a part's processors and memory, not the little that copying lines takes.
        IsLarge: bool
    }

/// Work in parts, as command lines.
type DeployWork =
    {
        /// The verb that does it, which its files are called after.
        Name: string
        /// What a process does with its part, after "It".
        Does: string
        /// The words after the command, less `--parts`.
        Words: string list
        /// All that the words name on disk.
        Places: DeployPlace list
        Closing: DeployClosing
    }

[<RequireQualifiedAccess>]
module DeployPlace =
    /// A folder, which is shown as it is.
    let folder flag path : DeployPlace =
        {
            Flag = flag
            Path = path
            Folder = path
        }

    /// A file, or what may be one.
    let file flag (path: string) : DeployPlace =
        {
            Flag = flag
            Path = path
            Folder = nonNull (Path.GetDirectoryName path)
        }

[<RequireQualifiedAccess>]
module DeployWork =
    /// The parts of `mcdrl segment --list`, and their merging. `model` is the flag and the path of one that doesn't come with the command;
    /// `asked` are further words, of what is asked of each image.
    let segment
        (list: string)
        (root: string)
        (out: string)
        (model: (string * string) option)
        (asked: string list)
        : DeployWork =
        {
            Name = "segment"
            Does = "segments one part"
            Words =
                [
                    "segment"
                    "--list"
                    list
                    "--root"
                    root
                    "--out"
                    out
                    for flag, path in Option.toList model do
                        flag
                        path
                    yield! asked
                ]
            Places =
                [
                    DeployPlace.file "--list" list
                    DeployPlace.folder "--root" root
                    DeployPlace.folder "--out" out
                    for flag, path in Option.toList model do
                        DeployPlace.file flag path
                ]
            Closing =
                {
                    Name = "merge"
                    Does = "makes one file of all parts, or names those that are missing"
                    Words = [ "merge"; "--out"; out; "--list"; list ]
                    NeedsAll = true
                    IsLarge = false
                }
        }

    /// The parts of an experiment, and its report, which says what it lacks. `call` are the words that say which, `places` what they name;
    /// `device` is where its runs compute.
    let experiment
        (call: string list)
        (places: DeployPlace list)
        (out: string)
        (device: string option)
        : DeployWork =
        let words = "experiment" :: call @ [ "--out"; out ]

        {
            Name = "experiment"
            Does = "does the runs of one part"
            Words =
                [
                    yield! words
                    for name in Option.toList device do
                        "--device"
                        name
                ]
            Places = places @ [ DeployPlace.folder "--out" out ]
            Closing =
                {
                    Name = "report"
                    Does = "writes the report of the runs that are done, and says which are missing"
                    Words = words @ [ "--report-only" ]
                    NeedsAll = false
                    IsLarge = true
                }
        }
