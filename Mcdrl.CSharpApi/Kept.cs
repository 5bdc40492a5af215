namespace Mcdrl;

/// <summary>A value that is made when it is first asked for and then kept. Where that fails the next call tries again.</summary>
internal sealed class Kept<T>(Func<T> make)
    where T : class
{
    private readonly Lock gate = new();

    internal T Value
    {
        get
        {
            lock (gate)
            {
                return field ??= make();
            }
        }
    }
}
