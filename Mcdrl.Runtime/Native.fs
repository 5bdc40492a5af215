namespace Mcdrl

[<RequireQualifiedAccess>]
module Native =
    let load () : Result<unit, McdrlError> = Ok()
