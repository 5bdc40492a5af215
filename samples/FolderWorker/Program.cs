// Segments what is put into a folder: dotnet run -c Release --project samples/FolderWorker -- --In inbox --Out done --Model run/model
using Microsoft.Extensions.Hosting;

await FolderWorker.Worker.CreateHost(args).RunAsync();
