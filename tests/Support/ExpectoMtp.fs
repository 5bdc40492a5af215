/// Lets `dotnet test` (Microsoft.Testing.Platform) run an Expecto test tree.
module ExpectoMtp

open System
open System.Threading.Tasks
open Expecto
open Expecto.Impl
open Microsoft.Testing.Platform.Builder
open Microsoft.Testing.Platform.Capabilities.TestFramework
open Microsoft.Testing.Platform.Extensions
open Microsoft.Testing.Platform.Extensions.Messages
open Microsoft.Testing.Platform.Extensions.TestFramework
open Microsoft.Testing.Platform.Requests

type private Framework(tests: Test) =
    let nameOf (t: FlatTest) = String.concat "." t.name

    let node name (state: IProperty) (took: TimeSpan option) =
        let bag = PropertyBag(state)

        took
        |> Option.iter (fun d ->
            let stop = DateTimeOffset.UtcNow in bag.Add(TimingProperty(TimingInfo(stop - d, stop, d))))

        TestNode(Uid = TestNodeUid name, DisplayName = name, Properties = bag)

    interface IExtension with
        member _.Uid = "expecto"
        member _.Version = "1"
        member _.DisplayName = "Expecto"
        member _.Description = "Expecto test tree"
        member _.IsEnabledAsync() = Task.FromResult true

    interface IDataProducer with
        member _.DataTypesProduced = [| typeof<TestNodeUpdateMessage> |]

    interface ITestFramework with
        member _.CreateTestSessionAsync _ =
            Task.FromResult(CreateTestSessionResult(IsSuccess = true))

        member _.CloseTestSessionAsync _ =
            Task.FromResult(CloseTestSessionResult(IsSuccess = true))

        member this.ExecuteRequestAsync ctx =
            task {
                let publish name state timing =
                    ctx.MessageBus.PublishAsync(
                        this,
                        TestNodeUpdateMessage(ctx.Request.Session.SessionUid, node name state timing)
                    )

                match ctx.Request with
                | :? DiscoverTestExecutionRequest ->
                    for t in Test.toTestCodeList tests do
                        do! publish (nameOf t) DiscoveredTestNodeStateProperty.CachedInstance None
                | :? RunTestExecutionRequest ->
                    let! results = evalTestsSilent tests |> Async.StartAsTask

                    for t, r in results do
                        let state: IProperty =
                            match r.result with
                            | Passed -> PassedTestNodeStateProperty.CachedInstance
                            | Ignored why -> SkippedTestNodeStateProperty why
                            | Failed why -> FailedTestNodeStateProperty(Exception why, why)
                            | Error e -> ErrorTestNodeStateProperty e

                        do! publish (nameOf t) state (Some r.duration)
                | _ -> ()

                ctx.Complete()
            }

type private Capabilities() =
    interface ITestFrameworkCapabilities with
        member _.Capabilities =
            Array.empty<ITestFrameworkCapability> :> Collections.Generic.IReadOnlyCollection<_>

/// Under `dotnet test` (which passes --server) speaks the platform's protocol, otherwise is Expecto's own command line.
let main (tests: Test) (argv: string[]) =
    if
        argv
        |> Array.exists (fun a ->
            a = "--server"
            || a.StartsWith "--server="
            || a = "--internal-testhost"
            || a = "--mtp")
    then
        (task {
            let! builder =
                TestApplication.CreateBuilderAsync(argv |> Array.filter ((<>) "--mtp"))

            builder.RegisterTestFramework(
                (fun _ -> Capabilities() :> ITestFrameworkCapabilities),
                (fun _ _ -> Framework tests :> ITestFramework)
            )
            |> ignore

            use! app = builder.BuildAsync()
            return! app.RunAsync()
        })
            .Result
    else
        runTestsWithCLIArgs [] argv tests
