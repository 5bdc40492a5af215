using System.Reflection;
using Xunit;

namespace Mcdrl.CSharpApi.Tests;

/// <summary>A C# application needs to know nothing of F#, of TorchSharp or of the assemblies below the API. Bitmaps are SkiaSharp's,
/// which is how .NET has them where there is no Windows.</summary>
public class PublicSurfaceTests
{
    private static readonly Assembly[] Api = [typeof(McdrlApi).Assembly, typeof(McdrlOnnx).Assembly];

    private static IEnumerable<Type> Exported => Api.SelectMany(half => half.GetExportedTypes());

    private const BindingFlags Own =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static
        | BindingFlags.DeclaredOnly;

    private static IEnumerable<Type> Parts(Type type)
    {
        yield return type;

        foreach (var part in (type.HasElementType ? [type.GetElementType()!] : type.GetGenericArguments()).SelectMany(Parts))
        {
            yield return part;
        }
    }

    private static bool Visible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static IEnumerable<(string Where, Type Type)> Signatures(Type type)
    {
        foreach (var parent in type.GetInterfaces().Append(type.BaseType).OfType<Type>())
        {
            yield return (type.FullName!, parent);
        }

        foreach (var method in type.GetMethods(Own).Cast<MethodBase>().Concat(type.GetConstructors(Own)).Where(Visible))
        {
            foreach (var parameter in method.GetParameters())
            {
                yield return ($"{type.FullName}.{method.Name}", parameter.ParameterType);
            }

            if (method is MethodInfo function)
            {
                yield return ($"{type.FullName}.{method.Name}", function.ReturnType);
            }
        }

        foreach (var field in type.GetFields(Own).Where(field => field.IsPublic || field.IsFamily))
        {
            yield return ($"{type.FullName}.{field.Name}", field.FieldType);
        }
    }

    internal static IEnumerable<string> Foreign(IEnumerable<Type> types) =>
        from type in types
        from signature in Signatures(type)
        from part in Parts(signature.Type)
        let home = part.Assembly.GetName().Name
        where part.Assembly != type.Assembly && !Api.Contains(part.Assembly) && !part.IsGenericParameter
            && !home.StartsWith("System.") && home != "netstandard" && part != typeof(SkiaSharp.SKBitmap)
        select $"{signature.Where}: {part} of {home}";

    [Fact]
    public void No_public_signature_names_a_type_from_elsewhere() =>
        Assert.Empty(Foreign(Exported));

    [Fact]
    public void The_check_sees_types_from_elsewhere()
    {
        var found = Foreign([typeof(Offender)]).ToArray();
        Assert.Contains(found, line => line.Contains("Nested") && line.Contains("FSharp.Core"));
        Assert.Contains(found, line => line.Contains("Given") && line.Contains("Mcdrl.Core"));
        Assert.Contains(found, line => line.Contains("Field") && line.Contains("FSharp.Core"));
    }

    [Fact]
    public void Every_public_class_is_sealed_static_or_a_base_nobody_else_can_extend()
    {
        foreach (var type in Exported.Where(type => type.IsClass && !type.IsSealed))
        {
            Assert.True(type.IsAbstract, $"{type} is open");
            Assert.All(type.GetConstructors(Own), constructor => Assert.True(constructor.IsFamilyAndAssembly, $"{type}"));
        }
    }

    private sealed class Offender(Microsoft.FSharp.Core.Unit? given)
    {
        public readonly Microsoft.FSharp.Core.Unit? Field = given;
        public static IReadOnlyList<Microsoft.FSharp.Core.FSharpOption<int>[]> Nested() => [];
        public static void Given(McdrlError error) => ArgumentNullException.ThrowIfNull(error);
    }
}
