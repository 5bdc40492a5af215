using Xunit;

// Calls that take no token are what is tested here.
#pragma warning disable xUnit1051

namespace Mcdrl.CSharpApi.Tests;

public sealed class BatchTests(TinyModel tiny) : IDisposable
{
    private readonly McdrlModel model = tiny.Load();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => model.Dispose();

    [Fact]
    public async Task A_batch_comes_one_by_one_in_order_whatever_fails()
    {
        var missing = tiny.Fresh(".png");
        string[] paths = [.. Enumerable.Range(0, 12).Select(number => number % 3 == 1 ? missing : tiny.Image)];
        var mask = model.Segment(tiny.Image).Mask;
        var items = new List<BatchItem>();

        await foreach (var item in model.SegmentBatchAsync(paths, Token))
        {
            items.Add(item);
        }

        Assert.Equal(paths, items.Select(item => item.Path));
        Assert.Equal(paths.Select(path => path == missing), items.Select(item => item.Error is McdrlDataException));
        Assert.All(items.Where(item => item.Found is not null), item => Assert.Equal(mask, item.Found!.Mask));
        Assert.Contains(missing, items[1].ToString());
        Assert.StartsWith($"{tiny.Image}: {items[0].Found}", items[0].ToString());
    }

    [Fact]
    public async Task Whoever_stops_asking_stops_the_work()
    {
        var given = 0;

        await foreach (var _ in model.SegmentBatchAsync([.. Enumerable.Repeat(tiny.Image, 100_000)]))
        {
            if (++given == 3)
            {
                break;
            }
        }

        Assert.Equal(3, given);
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Segment(tiny.Image));
    }

    [Fact]
    public async Task A_cancelled_batch_ends_as_everything_that_is_cancelled()
    {
        using var source = new CancellationTokenSource();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in model.SegmentBatchAsync([.. Enumerable.Repeat(tiny.Image, 100_000)], source.Token))
            {
                await source.CancelAsync();
            }
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in model.SegmentBatchAsync([tiny.Image]).WithCancellation(source.Token))
            {
            }
        });
    }

    [Fact]
    public async Task A_disposed_model_and_no_paths_are_told()
    {
        Assert.Throws<ArgumentNullException>(() => model.SegmentBatchAsync(null!));
        model.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            await foreach (var _ in model.SegmentBatchAsync([tiny.Image]))
            {
            }
        });
    }

    [Fact]
    public void No_path_is_the_error_of_its_item()
    {
        var items = model.SegmentBatch([tiny.Image, null!, tiny.Image, ""], cancellationToken: Token);
        Assert.Equal([true, false, true, false], items.Select(item => item.Found is not null));
        Assert.Equal("paths[1]: it is null. Give the path of an image file.", Assert.IsType<McdrlUsageException>(items[1].Error).Message);
        Assert.IsType<McdrlUsageException>(items[3].Error);
        Assert.Equal("", items[1].Path);
    }
}
