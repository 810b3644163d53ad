using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell;

namespace PcpuIpsec.Tests.PowerShell;

/// <summary>
/// What holds of every cmdlet and needs no engine. The engine's reference has attributes that remember nothing, so what the
/// assembly itself says is read, and nothing is instantiated.
/// </summary>
public sealed class CmdletContractTests
{
    private static readonly string[] _readingVerbs = ["Get", "Test", "Connect"];
    private static readonly string[] _verbs = [.. _readingVerbs, "New", "Set", "Remove", "Start", "Stop", "Update", "Move", "Optimize", "Restore"];
    private static readonly Assembly _module = typeof(TunnelCheckResult).Assembly;

    public static TheoryData<string> Cmdlets => [.. _module.GetTypes().Where(t => Find(t, "CmdletAttribute") is not null).Select(t => t.Name).Order()];

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void A_cmdlet_has_a_verb_a_noun_and_an_output_and_asks_before_it_changes_anything(string name)
    {
        Type type = Cmdlet(name);
        CustomAttributeData cmdlet = Find(type, "CmdletAttribute")!;
        string verb = (string)cmdlet.ConstructorArguments[0].Value!, noun = (string)cmdlet.ConstructorArguments[1].Value!;

        Assert.Equal(name, verb + noun);
        Assert.Contains(verb, _verbs);
        Assert.Matches("^(Pcpu|Xfrm|Nic|Irq|Ipsec)[A-Z][A-Za-z]*[^s]$", noun);
        Assert.NotNull(Find(type, "OutputTypeAttribute"));
        Assert.Equal(!_readingVerbs.Contains(verb), Named(cmdlet, "SupportsShouldProcess") is true);
        // ConfirmImpact.High: traffic goes in clear then.
        if (name == "RemovePcpuTunnel")
            Assert.Equal(3, Named(cmdlet, "ConfirmImpact"));
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void A_cmdlet_and_each_of_its_parameters_is_documented_with_an_example_and_has_a_test(string name)
    {
        Type type = Cmdlet(name);
        Dictionary<string, XElement> comments = XDocument.Load(Path.ChangeExtension(_module.Location, ".xml")).Descendants("member").ToDictionary(m => m.Attribute("name")!.Value);

        Assert.NotEmpty(comments[$"T:{type.FullName}"].Element("summary")!.Value.Trim());
        Assert.All(comments[$"T:{type.FullName}"].Elements("example"), e => Assert.StartsWith("<code>", e.FirstNode!.ToString()));
        Assert.NotEmpty(comments[$"T:{type.FullName}"].Elements("example"));
        foreach (PropertyInfo parameter in Parameters(type))
            Assert.NotEmpty(comments[$"P:{parameter.DeclaringType!.FullName}.{parameter.Name}"].Element("summary")!.Value.Trim());
        Assert.True(File.Exists(Path.Combine(Root(), "tests", "Pester", $"{Exported(type)}.Tests.ps1")));
    }

    /// <summary>Enums, switches and paths the engine completes by itself.</summary>
    [Fact]
    public void What_names_a_tunnel_a_CPU_an_interface_a_suite_a_Child_SA_an_address_or_a_kind_completes()
    {
        var completers = new Dictionary<string, string>
        {
            ["Tunnel"] = "TunnelNameCompleter",
            ["Name"] = "TunnelNameCompleter",
            ["PeerName"] = "PeerTunnelNameCompleter",
            ["Cpu"] = "CpuCompleter",
            ["ToCpu"] = "CpuCompleter",
            ["Number"] = "ChildSaNumberCompleter",
            ["InterfaceName"] = "XfrmInterfaceCompleter",
            ["LocalAddress"] = "AddressCompleter",
            ["IkeSuite"] = "SuiteCompleter",
            ["EspSuite"] = "SuiteCompleter",
            ["Mss"] = "MssCompleter",
            ["Kind"] = "EventKindCompleter",
            ["Id"] = "LabCompleter",
        };
        foreach (Type type in _module.GetTypes().Where(t => Find(t, "CmdletAttribute") is not null))
        {
            foreach (PropertyInfo parameter in Parameters(type))
            {
                string? completer = (parameter.CustomAttributes.FirstOrDefault(a => a.AttributeType.Name == "ArgumentCompleterAttribute")?.ConstructorArguments[0].Value as Type)?.Name;
                // A new tunnel's name is none that there is.
                string? expected = (type.Name, parameter.Name) switch
                {
                    ("NewPcpuTunnel", "Name") => null,
                    ("GetNicTuning" or "SetNicTuning" or "GetIrqAffinity" or "SetIrqAffinity" or "OptimizeIpsecHost", "Name") => "NicCompleter",
                    _ => completers.GetValueOrDefault(parameter.Name),
                };
                Assert.True(expected == completer, $"{type.Name} -{parameter.Name}: {completer}");
            }
        }
    }

    [Theory]
    [InlineData("NewPcpuTunnel")]
    [InlineData("SetPcpuTunnel")]
    public void A_tunnel_can_be_declared_in_all_that_its_declaration_has(string name)
    {
        string[] parameters = [.. Parameters(Cmdlet(name)).Select(p => p.Name)];

        Assert.All(typeof(TunnelDefinition).GetProperties().Where(p => p.Name != nameof(TunnelDefinition.XfrmInterface)), p => Assert.Contains(Singular(p), parameters));
        Assert.All(typeof(PerCpuDefinition).GetProperties(), p => Assert.Contains(Singular(p), parameters));
        Assert.All(typeof(XfrmInterfaceDefinition).GetProperties(), p => Assert.Contains("Interface" + Singular(p), parameters));

        // Seconds and a bypass are no plurals.
        static string Singular(PropertyInfo p) => p.PropertyType != typeof(string) && p.PropertyType.IsAssignableTo(typeof(System.Collections.IEnumerable)) && p.Name.EndsWith('s') && !p.Name.EndsWith("ss", StringComparison.Ordinal)
            ? p.Name[..^1] : p.Name == "MaxChildSas" ? "MaxChildSa" : p.Name;
    }

    [Fact]
    public void The_manifest_exports_all_of_them()
    {
        string manifest = File.ReadAllText(Path.Combine(Root(), "PcpuIpsec.psd1"));
        string list = Regex.Match(manifest, @"CmdletsToExport\s*=\s*@\(([^)]*)\)").Groups[1].Value;

        Assert.Equal(
            _module.GetTypes().Where(t => Find(t, "CmdletAttribute") is not null).Select(Exported).Order(StringComparer.Ordinal),
            Regex.Matches(list, "'([^']+)'").Select(m => m.Groups[1].Value));
    }

    private static Type Cmdlet(string name) => Assert.Single(_module.GetTypes(), t => t.Name == name);

    private static IEnumerable<PropertyInfo> Parameters(Type type) => type.GetProperties().Where(p => p.CustomAttributes.Any(a => a.AttributeType.Name == "ParameterAttribute"));

    private static string Exported(Type type)
    {
        CustomAttributeData cmdlet = Find(type, "CmdletAttribute")!;
        return $"{cmdlet.ConstructorArguments[0].Value}-{cmdlet.ConstructorArguments[1].Value}";
    }

    private static CustomAttributeData? Find(Type type, string attribute) => type.CustomAttributes.FirstOrDefault(a => a.AttributeType.Name == attribute);

    private static object? Named(CustomAttributeData attribute, string name) => attribute.NamedArguments.Where(a => a.MemberName == name).Select(a => a.TypedValue.Value).FirstOrDefault();

    private static string Root([CallerFilePath] string path = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", "..", ".."));
}
