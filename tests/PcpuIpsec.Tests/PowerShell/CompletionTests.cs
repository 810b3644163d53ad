using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.PowerShell;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.Tests.PowerShell;

public sealed class CompletionTests
{
    [Theory]
    [InlineData("0", new[] { 0 })]
    [InlineData("0-3,8", new[] { 0, 1, 2, 3, 8 })]
    [InlineData("2,4-5", new[] { 2, 4, 5 })]
    [InlineData("", new int[0])]
    [InlineData("what is this", new int[0])]
    public void A_list_of_CPUs_is_read_as_the_kernel_writes_it(string list, int[] expected) => Assert.Equal(expected, ThisHost.ParseCpus(list));

    [Fact]
    public void This_hosts_CPUs_are_found() => Assert.Contains(0, ThisHost.OnlineCpus());

    [Fact]
    public void XFRM_interfaces_are_those_without_hardware_that_are_nothing_else()
    {
        string folder = Directory.CreateTempSubdirectory("pcpu-interfaces-").FullName;
        try
        {
            Add("ipsec0", "65534", "INTERFACE=ipsec0\nIFINDEX=7");
            Add("eth0", "1", "INTERFACE=eth0\nIFINDEX=2");
            Add("wg0", "65534", "DEVTYPE=wireguard\nINTERFACE=wg0\nIFINDEX=3");
            Add("tun0", "65534", "INTERFACE=tun0\nIFINDEX=4");
            File.WriteAllText(Path.Combine(folder, "tun0", "tun_flags"), "0x1001\n");

            Assert.Equal(["ipsec0"], ThisHost.XfrmInterfaces(folder));
            Assert.Empty(ThisHost.XfrmInterfaces(Path.Combine(folder, "none")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        void Add(string name, string type, string uevent)
        {
            string path = Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
            File.WriteAllText(Path.Combine(path, "type"), type + "\n");
            File.WriteAllText(Path.Combine(path, "uevent"), uevent + "\n");
        }
    }

    [Fact]
    public void Declared_tunnels_are_named_by_their_files_and_a_folder_that_is_not_there_has_none()
    {
        string folder = Directory.CreateTempSubdirectory("pcpu-declared-").FullName;
        try
        {
            foreach (string file in (string[])["b.json", "a.json", "a.key", "b.key.tmp", "b.json.tmp"])
                File.WriteAllText(Path.Combine(folder, file), "");

            Assert.Equal(["a", "b"], DeclaredTunnels.Names(folder));
            Assert.Empty(DeclaredTunnels.Names(Path.Combine(folder, "none")));

            DeclaredTunnels.DeleteKeys(folder);
            Assert.Equal(["a.json", "b.json", "b.json.tmp"], Directory.GetFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_suites_that_are_offered_are_taken()
    {
        Assert.All(SuiteCompleter.Ike, s => CipherSuite.ParseIke(s));
        Assert.All(SuiteCompleter.Esp, s => CipherSuite.ParseEsp(s));
    }

    [Fact]
    public void The_kinds_of_events_that_are_offered_are_the_daemons()
        => Assert.Equal(Enum.GetValues<GatewayEventKind>().Select(k => StatusMapping.Kebab(k)), EventKindCompleter.Kinds);
}
