// Segments every image of a folder: dotnet run -c Release --project samples/SegmentFolder -- MODEL IMAGES OUT
// Ctrl-C stops before the next image; what is done by then is written.
using Mcdrl;

if (args is not [var modelFolder, var images, var output] || !Directory.Exists(images))
{
    Console.Error.WriteLine("Usage: SegmentFolder MODEL IMAGES OUT");
    return 2;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};

try
{
    using var model = McdrlApi.Load(modelFolder, "auto");
    var files = Directory.GetFiles(images).Order(StringComparer.Ordinal).ToArray();
    Directory.CreateDirectory(output);
    var failed = 0;

    for (var done = 0; done < files.Length; done++)
    {
        Console.Error.Write($"\r{done + 1} of {files.Length}");

        try
        {
            var found = await model.SegmentAsync(files[done], cancellationToken: stop.Token);
            var target = Path.Combine(output, Path.GetFileName(files[done]));
            found.SaveMask(target + ".mask.png");
            found.SaveOverlay(target + ".overlay.png");
        }
        catch (McdrlDataException problem)
        {
            failed++;
            Console.Error.WriteLine($"\r{problem.Message}");
        }
    }

    Console.Error.WriteLine();
    Console.WriteLine($"{files.Length - failed} of {files.Length} files segmented into {output}. Not for clinical use.");
    return failed == 0 ? 0 : 1;
}
catch (McdrlException problem)
{
    Console.Error.WriteLine(problem.Message);
    return 3;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("\nStopped.");
    return 130;
}
