// Marks lesions in uploaded images: dotnet run -c Release --project samples/WebService -- --Model run/model
// A service ready to use is `mcdrl serve` (docs/serve.md); this shows how to make one of one's own.
// curl --data-binary @frame.png http://localhost:5000/segment -o mask.png
await WebService.Service.Create(args).RunAsync();
