namespace Mcdrl

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.Threading
open System.Threading.RateLimiting
open System.Threading.Tasks

/// A fixed number of threads that compute, and a queue of bounded length before them. Threads of their own, so that those that speak to
/// callers are never all busy computing.
[<Sealed>]
type Workers(atOnce: int, waiting: int) =
    let limiter =
        new ConcurrencyLimiter(
            ConcurrencyLimiterOptions(
                PermitLimit = atOnce,
                QueueLimit = waiting,
                QueueProcessingOrder = QueueProcessingOrder.OldestFirst
            )
        )

    let jobs = new BlockingCollection<unit -> unit>()
    let mutable seconds = 1.0

    let work () =
        for job in jobs.GetConsumingEnumerable() do
            job ()

    do
        for number in 1..atOnce do
            Thread(work, IsBackground = true, Name = $"mcdrl serve {number}").Start()

    let statistics () =
        match limiter.GetStatistics() with
        | null -> 0L, 0L
        | found -> int64 atOnce - found.CurrentAvailablePermits, found.CurrentQueuedCount

    /// Requests that are computed.
    member _.Working = fst (statistics ())

    /// Requests that wait.
    member _.Waiting = snd (statistics ())

    /// Whether one more would be turned away.
    member _.IsFull =
        let working, queued = statistics ()
        working >= int64 atOnce && queued >= int64 waiting

    /// Whole seconds after which a request that was turned away may find room: those that the queue takes, from what requests took lately.
    member this.RetryAfter =
        let before = float (this.Working + this.Waiting)
        int (Math.Clamp(Math.Ceiling(Volatile.Read &seconds * before / float atOnce), 1.0, 60.0))

    /// What `job` gives, computed on one of the threads as soon as it is its turn; `None` where the queue is full. Where `cancel` comes while it
    /// waits, `OperationCanceledException` is thrown and it leaves the queue. Once begun it runs to its end, or its place would be given to
    /// another while it still computes.
    member _.Run (cancel: CancellationToken) (job: unit -> 'a) : Task<'a option> =
        task {
            use! lease = limiter.AcquireAsync(1, cancel)

            if not lease.IsAcquired then
                return None
            else
                let source =
                    TaskCompletionSource<'a> TaskCreationOptions.RunContinuationsAsynchronously

                jobs.Add(fun () ->
                    let began = Stopwatch.GetTimestamp()

                    try
                        try
                            source.SetResult(job ())
                        with problem ->
                            source.SetException problem
                    finally
                        let took = (Stopwatch.GetElapsedTime began).TotalSeconds
                        Volatile.Write(&seconds, 0.9 * Volatile.Read &seconds + 0.1 * took))

                let! answer = source.Task
                return Some answer
        }

    interface IDisposable with
        member _.Dispose() =
            jobs.CompleteAdding()
            limiter.Dispose()
