using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

namespace PcpuIpsec.Tests;

/// <summary>Prints an assembly's public types and members, sorted, one a line.</summary>
internal static class PublicApiPrinter
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly NullabilityInfoContext _nullability = new();

    public static string Print(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (Type type in assembly.GetExportedTypes().OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            text.Append(Kind(type)).Append(' ').Append(Name(type)).Append(Bases(type)).Append('\n');
            IEnumerable<string> members = type.IsEnum
                ? Enum.GetNames(type).Select(n => $"{n} = {Convert.ToInt64(Enum.Parse(type, n))}")
                : type.GetMembers(Declared).Select(Member).OfType<string>().Order(StringComparer.Ordinal);
            foreach (string member in members)
                text.Append("  ").Append(member).Append('\n');
        }
        return text.ToString();
    }

    private static string Kind(Type type)
        => type.IsEnum ? "enum"
            : typeof(Delegate).IsAssignableFrom(type) ? "delegate"
            : type.IsInterface ? "interface"
            : type.IsValueType ? "struct"
            : type is { IsAbstract: true, IsSealed: true } ? "static class"
            : type.IsAbstract ? "abstract class"
            : type.IsSealed ? "sealed class" : "class";

    private static string Bases(Type type)
    {
        if (type.IsEnum)
            return " : " + Name(Enum.GetUnderlyingType(type));
        IEnumerable<Type> bases = type.GetInterfaces().Where(i => i.IsVisible).OrderBy(Name, StringComparer.Ordinal);
        if (type.BaseType is { } parent && parent != typeof(object) && parent != typeof(ValueType))
            bases = bases.Prepend(parent);
        string[] names = [.. bases.Select(Name)];
        return names.Length == 0 ? "" : " : " + string.Join(", ", names);
    }

    // What the compiler makes of a record is not listed: that it is one shows in its interfaces.
    private static string? Member(MemberInfo member) => member.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false) ? null : member switch
    {
        ConstructorInfo c when IsVisible(c) => $"{Scope(c)}new({Parameters(c)})",
        MethodInfo m when IsVisible(m) && (!m.IsSpecialName || m.Name.StartsWith("op_", StringComparison.Ordinal)) => $"{Scope(m)}{Name(m.ReturnType)} {m.Name}({Parameters(m)})",
        PropertyInfo p when Accessors(p) is { Length: > 0 } accessors => $"{Scope(p.GetMethod ?? p.SetMethod!)}{(IsRequired(p) ? "required " : "")}{Name(p.PropertyType)}{Mark(_nullability.Create(p).ReadState, p.PropertyType)} {p.Name} {{ {accessors} }}",
        FieldInfo f when f.IsPublic || f.IsFamily => $"{(f.IsStatic ? "static " : "")}{Name(f.FieldType)} {f.Name}",
        EventInfo e when IsVisible(e.AddMethod!) => $"event {Name(e.EventHandlerType!)} {e.Name}",
        _ => null,
    };

    private static string Accessors(PropertyInfo property)
    {
        List<string> accessors = [];
        if (property.GetMethod is { } get && IsVisible(get))
            accessors.Add("get;");
        if (property.SetMethod is { } set && IsVisible(set))
            accessors.Add(set.ReturnParameter.GetRequiredCustomModifiers().Any(m => m.Name == "IsExternalInit") ? "init;" : "set;");
        return string.Join(' ', accessors);
    }

    private static bool IsRequired(PropertyInfo property)
        => property.CustomAttributes.Any(a => a.AttributeType.Name == "RequiredMemberAttribute");

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    // "?" for a reference that may be null; that of a value is in its type's name.
    private static string Mark(NullabilityState state, Type type) => state == NullabilityState.Nullable && !type.IsValueType ? "?" : "";

    private static string Scope(MethodBase method)
        => (method.IsPublic ? "" : "protected ") + (method.IsStatic ? "static " : "");

    private static string Parameters(MethodBase method)
        => string.Join(", ", method.GetParameters().Select(p => $"{(p.IsOut ? "out " : "")}{Name(p.IsOut ? p.ParameterType.GetElementType()! : p.ParameterType)}{Mark(_nullability.Create(p).WriteState, p.ParameterType)} {p.Name}{(p.HasDefaultValue ? " = " + (p.DefaultValue ?? "default") : "")}"));

    private static string Name(Type type)
    {
        if (type.IsByRef)
            return "ref " + Name(type.GetElementType()!);
        if (type.IsArray)
            return Name(type.GetElementType()!) + "[]";
        if (Nullable.GetUnderlyingType(type) is { } inner)
            return Name(inner) + "?";
        if (type.IsGenericParameter)
            return type.Name;
        string name = type.Namespace?.StartsWith("System", StringComparison.Ordinal) == true ? type.Name : type.FullName ?? type.Name;
        if (!type.IsGenericType)
            return name;
        return $"{name[..name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }
}
