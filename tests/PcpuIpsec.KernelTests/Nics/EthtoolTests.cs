using PcpuIpsec.Ethtool;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Vm;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.KernelTests.Nics;

/// <summary>ethtool against real drivers: what they let be set is set, read back, and put back exactly.</summary>
public sealed class EthtoolTests
{
    [KernelFact(Machine = Machine.Nics)]
    public Task The_machine_has_two_NICs_of_virtio_and_one_of_each_other_kind() => Task.Run(() =>
    {
        using EthtoolSocket ethtool = EthtoolSocket.TryOpen()!;
        foreach ((string driver, int count) in (ReadOnlySpan<(string, int)>)[("virtio_net", 2), ("vmxnet3", 1), ("e1000e", 1)])
        {
            string[] links = [.. NicDrivers.Interfaces(driver)];
            Assert.Equal(count, links.Length);
            Assert.All(links, link => Assert.Equal(driver, ethtool.Driver(link)!.Name));
        }
        Assert.Equal("525400000100", ethtool.PermanentAddress(NicDrivers.Interfaces("virtio_net").First())!.ToString());
    });

    [KernelTheory(Machine = Machine.Nics)]
    [ClassData(typeof(NicDrivers))]
    public async Task Whatever_a_driver_lets_be_set_is_there_when_it_is_read_and_everything_is_put_back(string driver)
    {
        string link = NicDrivers.Interfaces(driver).First();
        using EthtoolSocket ethtool = EthtoolSocket.TryOpen()!;
        using RouteSocket routes = RouteSocket.Open();
        HashSet<string> settable = [];
        foreach (bool isUp in (bool[])[false, true])
        {
            if (isUp)
                routes.SetUp(routes.RequireLink(link).Index);
            string before = NicSnapshot.Take(ethtool, link);

            OrderedDictionary<string, string> abilities = new NicAbilities(ethtool, link).Try();

            await File.WriteAllLinesAsync(
                Path.Combine(GuestMachine.ResultsFolder, $"nic-{driver}-{(isUp ? "up" : "down")}.txt"),
                [$"{ethtool.Driver(link)}", .. abilities.Select(a => $"{a.Key}: {a.Value}"), "", before]);
            Assert.Equal(before, NicSnapshot.Take(ethtool, link));
            Assert.DoesNotContain(abilities.Values, v => v.StartsWith("NOT PUT BACK", StringComparison.Ordinal));
            settable.UnionWith(abilities.Where(a => a.Value.StartsWith(NicAbilities.Yes, StringComparison.Ordinal)).Select(a => a.Key));
        }
        Assert.Empty(_mustHave[driver].Except(settable));
    }

    // Some only while the interface is up; and igb's channels only before anybody set its table (docs/nic-abilities.md).
    private static readonly Dictionary<string, string[]> _mustHave = new()
    {
        ["virtio_net"] = ["channels", "rings", Features.Gro, "RSS table", "RSS key", "hash of Udp4", "counters"],
        ["vmxnet3"] = ["rings", Features.Gro, "RSS table", "counters"],
        ["e1000e"] = ["rings", "coalescing", "pause", Features.Gro, "counters"],
        ["igb"] = ["channels", "rings", "coalescing", "pause", Features.Gro, "RSS table", "hash of Udp4", "counters"],
    };
}
