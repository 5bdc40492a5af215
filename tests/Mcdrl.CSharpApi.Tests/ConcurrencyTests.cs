using TorchSharp;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

public class ConcurrencyTests(TinyModel tiny)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Async_gives_the_same_mask_and_the_same_exceptions()
    {
        using var model = tiny.Load();
        var expected = model.Segment(tiny.Image);
        var found = await model.SegmentAsync(tiny.Image, cancellationToken: Token);
        Assert.Equal(expected.Mask, found.Mask);
        await Assert.ThrowsAsync<McdrlDataException>(() => model.SegmentAsync(tiny.Fresh(".png"), cancellationToken: Token));
    }

    [Fact]
    public void A_bad_file_does_not_stop_a_batch()
    {
        using var model = tiny.Load();
        var bad = tiny.Fresh(".png");
        File.WriteAllText(bad, "no image");
        var progress = new Recorder();
        var items = model.SegmentBatch([tiny.Image, bad, tiny.Image], progress: progress, cancellationToken: Token);

        Assert.Equal([tiny.Image, bad, tiny.Image], items.Select(item => item.Path));
        Assert.Equal([true, false, true], items.Select(item => item.Found is not null));
        Assert.Equal([false, true, false], items.Select(item => item.Error is not null));
        Assert.Contains(bad, Assert.IsType<McdrlDataException>(items[1].Error).Message);
        Assert.Equal([1, 2, 3], progress.Reports);
    }

    [Fact]
    public void Each_file_is_handed_on_in_order_and_what_that_throws_stops_the_rest()
    {
        using var model = tiny.Load();
        var missing = tiny.Fresh(".png");
        string[] paths = [.. Enumerable.Range(0, 20).Select(number => number % 3 == 1 ? missing : tiny.Image)];
        var items = new List<BatchItem>();
        var threads = torch.get_num_threads();
        model.SegmentEach(paths, items.Add, cancellationToken: Token);

        Assert.Equal(paths, items.Select(item => item.Path));
        Assert.Equal(paths.Select(path => path == missing), items.Select(item => item.Error is not null));
        Assert.Equal(threads, torch.get_num_threads());

        items.Clear();

        Assert.Throws<InvalidTimeZoneException>(() => model.SegmentEach(
            paths,
            item =>
            {
                items.Add(item);
                throw new InvalidTimeZoneException();
            },
            cancellationToken: Token));
        Assert.Single(items);
    }

    [Fact]
    public async Task Cancelled_before_it_starts()
    {
        using var model = tiny.Load();
        var stop = new CancellationToken(true);
        var options = new SegmentOptions();
        Assert.ThrowsAny<OperationCanceledException>(() => model.Segment(tiny.Image, options, stop));
        Assert.ThrowsAny<OperationCanceledException>(() => model.SegmentBatch([tiny.Image], cancellationToken: stop));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => model.SegmentAsync(tiny.Image, cancellationToken: stop));
        Assert.NotNull(model.Segment(tiny.Image));
    }

    [Fact]
    public void A_batch_cancelled_midway_stops_after_the_files_under_way()
    {
        using var model = tiny.Load();
        using var source = new CancellationTokenSource();
        var progress = new Recorder { Reported = _ => source.Cancel() };

        Assert.ThrowsAny<OperationCanceledException>(
            () => model.SegmentBatch([.. Enumerable.Repeat(tiny.Image, 1000)], progress: progress, cancellationToken: source.Token));
        Assert.InRange(progress.Reports.Count, 1, 5 * Environment.ProcessorCount);
    }

    /// <summary>64 megapixels in a few kilobytes.</summary>
    private string Large()
    {
        const int side = 8000;
        var path = tiny.Fresh(".png");
        Masks.write(path, new LabelMap(side, side, new byte[side * side])).OrThrow();
        return path;
    }

    /// <summary>A second is promised; a machine that does ten other things may take longer to let it happen.</summary>
    private static readonly TimeSpan soon = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Cancelling_takes_effect_in_the_middle_of_a_large_image_whatever_is_being_done()
    {
        using var model = tiny.Load();
        var path = Large();
        var bytes = await File.ReadAllBytesAsync(path, Token);
        var options = new SegmentOptions();

        Func<CancellationToken, Task>[] calls =
        [
            stop => Task.Run(() => model.Segment(path, options, stop), CancellationToken.None),
            stop => Task.Run(() => model.Segment(new MemoryStream(bytes), options, stop), CancellationToken.None),
            stop => Task.Run(() => model.SegmentBatch([path, path, path], cancellationToken: stop), CancellationToken.None),
            stop => model.SegmentAsync(path, cancellationToken: stop),
            stop => model.ExplainAsync(path, cancellationToken: stop),
        ];

        foreach (var call in calls)
        {
            using var source = new CancellationTokenSource();
            var running = call(source.Token);
            await Task.Delay(150, Token);
            var clock = System.Diagnostics.Stopwatch.StartNew();
            await source.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
            Assert.InRange(clock.Elapsed, TimeSpan.Zero, soon);
        }

        Assert.Equal(model.Segment(tiny.Image).Mask, model.Segment(tiny.Image).Mask);
    }

    [Fact]
    public async Task Sixty_four_threads_that_are_cancelled_and_disposed_of_find_the_same_until_then()
    {
        var model = tiny.Load();
        var expected = model.Segment(tiny.Image).Mask.ToArray();
        var different = 0;
        var answers = 0;
        var cancelled = 0;
        using var begun = new CountdownEvent(64);

        var threads = Enumerable.Range(0, 64).Select(number => OnThread(() =>
        {
            var moments = new Random(number);
            begun.Signal();

            while (true)
            {
                using var source = new CancellationTokenSource();

                if (moments.Next(3) == 0)
                {
                    source.CancelAfter(moments.Next(20));
                }

                try
                {
                    var found = model.Segment(tiny.Image, new SegmentOptions(), source.Token).Mask.Span;
                    Interlocked.Increment(ref answers);

                    for (var pixel = 0; pixel < expected.Length; pixel++)
                    {
                        Interlocked.Add(ref different, int.PopCount(found[pixel] ^ expected[pixel]));
                    }
                }
                catch (OperationCanceledException)
                {
                    Interlocked.Increment(ref cancelled);
                }
            }
        })).ToArray();

        begun.Wait(Token);

        while (Volatile.Read(ref answers) < 256 || Volatile.Read(ref cancelled) < 16)
        {
            await Task.Delay(10, Token);
        }

        model.Dispose();

        foreach (var thread in threads)
        {
            await Assert.ThrowsAsync<ObjectDisposedException>(() => thread);
        }

        Assert.Equal(0, different);
    }

    [Fact]
    public async Task Eight_threads_on_one_model_find_the_same()
    {
        using var model = tiny.Load();
        var expected = model.Segment(tiny.Image);
        var threads = Enumerable.Range(0, 8).Select(_ => OnThread(() =>
        {
            for (var round = 0; round < 5; round++)
            {
                Assert.Equal(expected.Mask, model.Segment(tiny.Image).Mask);
            }
        }));
        await Task.WhenAll(threads);
    }

    [Fact]
    public async Task A_call_under_way_ends_normally_when_the_model_is_disposed()
    {
        var model = tiny.Load();
        var expected = model.Segment(tiny.Image);
        using var held = new HeldStream(File.ReadAllBytes(tiny.Image));
        var found = Task.Run(() => model.Segment(held), Token);
        held.Reading.Wait(Token);
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Segment(tiny.Image));
        held.Go.Set();
        Assert.Equal(expected.Mask, (await found).Mask);
        model.Dispose();
    }

    [Fact]
    public async Task Dispose_among_busy_threads_ends_them_all_with_ObjectDisposedException()
    {
        var model = tiny.Load();
        using var busy = new CountdownEvent(4);
        var threads = Enumerable.Range(0, 4).Select(_ => OnThread(() =>
        {
            model.Segment(tiny.Image);
            busy.Signal();

            while (true)
            {
                model.Segment(tiny.Image);
            }
        })).ToArray();

        busy.Wait(Token);
        model.Dispose();

        foreach (var thread in threads)
        {
            await Assert.ThrowsAsync<ObjectDisposedException>(() => thread);
        }

        Assert.Throws<ObjectDisposedException>(() => model.SegmentBatch([tiny.Image], cancellationToken: Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => model.SegmentAsync(tiny.Image, cancellationToken: Token));
    }

    [Fact]
    public void Neither_calls_nor_failures_nor_models_leave_tensors_behind()
    {
        // Those that others left to the collector, which would else take them in the middle of a count.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = torch.Tensor.TotalCount;

        using (var model = tiny.Load())
        {
            var loaded = torch.Tensor.TotalCount;

            for (var round = 0; round < 3; round++)
            {
                model.Segment(tiny.Image);
                Assert.Throws<McdrlDataException>(() => model.Segment(tiny.Fresh(".png")));
            }

            Assert.Equal(loaded, torch.Tensor.TotalCount);
        }

        Assert.Equal(before, torch.Tensor.TotalCount);
    }

    private static Task OnThread(Action work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private sealed class Recorder : IProgress<int>
    {
        public List<int> Reports { get; } = [];

        public Action<int> Reported { get; init; } = _ => { };

        public void Report(int value)
        {
            Reports.Add(value);
            Reported(value);
        }
    }

    /// <summary>Gives its bytes only when told to.</summary>
    private sealed class HeldStream(byte[] bytes) : MemoryStream(bytes)
    {
        public ManualResetEventSlim Reading { get; } = new();

        public ManualResetEventSlim Go { get; } = new();

        public override int Read(byte[] buffer, int offset, int count)
        {
            Reading.Set();
            Go.Wait();
            return base.Read(buffer, offset, count);
        }
    }
}
