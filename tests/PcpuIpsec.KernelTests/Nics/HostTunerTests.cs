using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Vm;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tuning;

namespace PcpuIpsec.KernelTests.Nics;

/// <summary>The profile on real drivers, with IRQs that the kernel moves, and the way back from each step of it.</summary>
public sealed class HostTunerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pcpu-tuning-").FullName;
    private readonly HostTuner _tuner;
    private readonly int[] _cpus = [.. HostCpus.Online()];

    public HostTunerTests() => _tuner = HostTuner.OfThisNamespace(_folder);

    public void Dispose()
    {
        _tuner.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [KernelTheory(Machine = Machine.Nics)]
    [ClassData(typeof(NicDrivers))]
    public Task Each_queue_is_given_to_its_CPU_and_everything_is_put_back(string driver) => Task.Run(() =>
    {
        string link = SetUp(driver);
        string before = Snapshot(link);

        IReadOnlyList<TuningResult> results = _tuner.Apply(Stages(link));

        File.WriteAllLines(Path.Combine(GuestMachine.ResultsFolder, $"tuning-{driver}.txt"), results.Select(r => $"{r}"));
        Assert.DoesNotContain(results, r => r.Outcome == TuningOutcome.Failed);
        NicIrq[] irqs = [.. State(link).Irqs.Where(i => i.Queue is not null)];
        Assert.NotEmpty(irqs);
        Assert.All(irqs, i => Assert.Equal([_cpus[i.Queue!.Value % _cpus.Length]], CpuMask.Parse(_tuner.Settings.Find(SettingKeys.OfIrq(link, i.Action)).Read()!)));
        Assert.All(_tuner.Apply(Stages(link)), r => Assert.NotEqual(TuningOutcome.Changed, r.Outcome));

        Assert.DoesNotContain(_tuner.Restore(), r => r.Outcome is TuningOutcome.Failed or TuningOutcome.Gone);
        Assert.Equal(before, Snapshot(link));
    });

    [KernelFact(Machine = Machine.Nics)]
    public Task Fewer_queues_and_back_leave_IRQs_masks_and_the_table_as_they_were() => Task.Run(() =>
    {
        string link = SetUp("virtio_net");
        // Not where the driver puts them.
        _tuner.Settings.Find(SettingKeys.OfIrq(link, State(link).Irqs.First(i => i.Queue == 3).Action)).Write("1");
        _tuner.Settings.Find(SettingKeys.OfQueue(link, "tx-3", "xps_cpus")).Write("3");
        _tuner.Settings.Find(SettingKeys.OfQueue(link, "rx-3", "rps_cpus")).Write("1");
        string before = Snapshot(link);
        var request = new NicRequest { Channels = 2 };

        Assert.Equal(TuningOutcome.Changed, Assert.Single(_tuner.Apply(() => request.WishesFor(State(link)))).Outcome);
        Assert.Equal(2, State(link).Channels!.Combined);
        _tuner.Restore();

        Assert.Equal(before, Snapshot(link));
    });

    private Func<IEnumerable<Wish>>[] Stages(string link) =>
    [
        () => HostProfile.Channels(State(link), _cpus.Length),
        () => [.. HostProfile.Of(State(link), _cpus, _cpus), .. HostProfile.OfHost(n => _tuner.Settings.Find(SettingKeys.OfSysctl(n)).Read())],
    ];

    private static string SetUp(string driver)
    {
        string link = NicDrivers.Interfaces(driver).First();
        using RouteSocket routes = RouteSocket.Open();
        routes.SetUp(routes.RequireLink(link).Index);
        return link;
    }

    private NicState State(string link)
    {
        using RouteSocket routes = RouteSocket.Open();
        return NicState.Read(_tuner.Files, _tuner.Ethtool, routes.RequireLink(link));
    }

    private string Snapshot(string link)
    {
        List<string> lines = [NicSnapshot.Take(_tuner.Ethtool!, link)];
        foreach (NicIrq irq in State(link).Irqs)
            lines.Add($"{irq.Action} {HostFiles.TryRead($"/proc/irq/{irq.Number}/smp_affinity")}");
        foreach (string queue in State(link).Queues)
        {
            foreach (string file in (string[])["rps_cpus", "rps_flow_cnt", "xps_cpus", "xps_rxqs"])
                lines.Add($"{queue} {file} {HostFiles.TryRead(_tuner.Files.OfLink(link, $"queues/{queue}/{file}"))}");
        }
        foreach (string name in (string[])["net/core/rmem_max", "net/core/wmem_max", "net/core/netdev_max_backlog", "net/core/netdev_budget", "net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem"])
            lines.Add($"{name} {HostFiles.TryRead("/proc/sys/" + name)}");
        return string.Join('\n', lines);
    }
}
