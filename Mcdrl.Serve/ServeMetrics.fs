namespace Mcdrl

open System.IO
open System.Threading.Tasks
open Prometheus

/// What a service counts, as Prometheus reads it.
[<Sealed>]
type ServeMetrics(workers: Workers, bodies: Bodies) =
    let registry = Metrics.NewCustomRegistry()
    let factory = Metrics.WithCustomRegistry registry

    let requests =
        factory.CreateHistogram(
            "mcdrl_request_seconds",
            "From a request's head to the end of its answer, in seconds.",
            [| "method"; "path"; "status" |],
            HistogramConfiguration(Buckets = Histogram.ExponentialBuckets(0.001, 2.0, 16))
        )

    let pixels =
        factory.CreateCounter("mcdrl_pixels_total", "Pixels of the images that were answered about.")

    let gauge name help (value: unit -> int64) =
        let gauge = factory.CreateGauge(name, help)
        registry.AddBeforeCollectCallback(fun () -> gauge.Set(float (value ())))

    do
        gauge "mcdrl_working" "Requests that are computed." (fun () -> workers.Working)
        gauge "mcdrl_waiting" "Requests that wait for a processor." (fun () -> workers.Waiting)
        gauge "mcdrl_body_bytes" "Bytes of bodies that are held in memory." (fun () -> bodies.Held)
        DotNetStats.Register registry

    /// Counts an answered request; `path` is its endpoint's, not the caller's.
    member _.Answered (method: string) (path: string) (status: int) (seconds: float) =
        requests.WithLabels(method, path, string status).Observe seconds

    /// Counts an image.
    member _.Segmented(picture: Picture) =
        pixels.Inc(float picture.Width * float picture.Height)

    /// Writes all of it as text.
    member _.Write(stream: Stream) : Task =
        registry.CollectAndExportAsTextAsync stream
