// Marks lesions in uploaded images: dotnet run -c Release --project samples/WebService -- --Model run/model
// curl --data-binary @frame.png http://localhost:5000/segment -o mask.png
await WebService.Service.Create(args).RunAsync();
