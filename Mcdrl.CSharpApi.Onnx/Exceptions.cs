namespace Mcdrl;

/// <summary>The base of everything that <c>Mcdrl</c> throws on its own account.</summary>
/// <remarks>A cancelled operation throws <see cref="OperationCanceledException"/>, as everywhere in .NET.</remarks>
public abstract class McdrlException : Exception
{
    private protected McdrlException(IReadOnlyList<string> problems)
        : base(string.Join(Environment.NewLine, problems)) => Problems = problems;

    /// <summary>Every problem that was found, one entry each: where, what, and what to do about it.</summary>
    public IReadOnlyList<string> Problems { get; }
}

/// <summary>Wrong arguments or settings, or a device or library that is not there.</summary>
public sealed class McdrlUsageException : McdrlException
{
    internal McdrlUsageException(IReadOnlyList<string> problems) : base(problems) { }
}

/// <summary>A model bundle or weights file that cannot be used.</summary>
public sealed class McdrlModelException : McdrlException
{
    internal McdrlModelException(IReadOnlyList<string> problems) : base(problems) { }
}

/// <summary>An image, a mask or a dataset that cannot be used.</summary>
public sealed class McdrlDataException : McdrlException
{
    internal McdrlDataException(IReadOnlyList<string> problems) : base(problems) { }
}

/// <summary>A limit was reached: image size, memory or disk.</summary>
public sealed class McdrlResourceException : McdrlException
{
    internal McdrlResourceException(IReadOnlyList<string> problems) : base(problems) { }
}
