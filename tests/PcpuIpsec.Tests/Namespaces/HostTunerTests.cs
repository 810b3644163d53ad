using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tuning;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Tuning of a real interface by the real kernel, on veth with several queues.</summary>
[Collection("namespaces")]
public sealed class HostTunerTests : IDisposable
{
    private static readonly string[] _links = ["v0", "v1"];

    private readonly TemporaryNamespace _namespace = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("pcpu-tuning-").FullName;

    public HostTunerTests()
    {
        using RouteSocket routes = _namespace.Namespace.OpenRoutes();
        routes.CreateVeth(new VethEnd { Name = "v0", Queues = 8 }, new VethEnd { Name = "v1", Queues = 8 });
        foreach (string name in _links)
            routes.SetUp(routes.RequireLink(name).Index);
    }

    public void Dispose()
    {
        _namespace.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [NamespaceFact]
    public void A_profile_is_applied_and_put_back() => Run(tuner =>
    {
        SetOwn(tuner);
        string before = Snapshot(tuner);

        IReadOnlyList<TuningResult> results = Apply(tuner);

        // What is the whole host's is not a namespace's to set, and says so.
        Assert.All(results.Where(r => r.Outcome is TuningOutcome.Failed or TuningOutcome.Refused), r => Assert.StartsWith("sysctl/net.core.", r.Key, StringComparison.Ordinal));
        Assert.Contains(results, r => r is { Key: "nic/v0/channels", Outcome: TuningOutcome.Changed, Before: "rx 8, tx 8, other 0, combined 0", After: "rx 2, tx 2, other 0, combined 0" });
        Assert.Equal("1", tuner.Settings.Find("nic/v0/tx-0/xps_cpus").Read()!.TrimStart('0', ','));
        Assert.Equal("16777216", tuner.Settings.Find("sysctl/net.ipv4.tcp_wmem").Read()!.Split('\t')[2]);
        Assert.NotEqual(before, Snapshot(tuner));
        Assert.All(Apply(tuner), r => Assert.True(r.Outcome is TuningOutcome.Unchanged or TuningOutcome.Refused));

        Assert.DoesNotContain(tuner.Restore(), r => r.Outcome is TuningOutcome.Failed or TuningOutcome.Gone);
        Assert.Equal(before, Snapshot(tuner));
        Assert.Empty(tuner.Journal());
    });

    [NamespaceFact]
    public void It_is_put_back_exactly_wherever_the_process_is_killed() => Run(tuner =>
    {
        SetOwn(tuner);
        string before = Snapshot(tuner);
        int points = 0;
        for (bool isKilled = true; isKilled; points++)
        {
            isKilled = KilledAfter(tuner, points, t => Apply(tuner, t));
            Assert.DoesNotContain(tuner.Restore(), r => r.Outcome is TuningOutcome.Failed or TuningOutcome.Gone);
            Assert.Equal(before, Snapshot(tuner));
        }
        int applied = points;
        for (bool isKilled = true; isKilled; points++)
        {
            Apply(tuner);
            isKilled = KilledAfter(tuner, points - applied, t => t.Restore());
            Assert.DoesNotContain(tuner.Restore(), r => r.Outcome is TuningOutcome.Failed or TuningOutcome.Gone);
            Assert.Equal(before, Snapshot(tuner));
        }
        Assert.InRange(points, 200, 2000);
    });

    [NamespaceFact]
    public void What_the_driver_refuses_is_told_in_its_words_and_nothing_is_half_applied() => Run(tuner =>
    {
        string before = Snapshot(tuner);
        IReadOnlyList<TuningResult> results = tuner.Apply(() =>
        [
            new Wish("nic/v0/rx-0/rps_cpus", "3", ""),
            new Wish("nic/v0/channels", "rx 19, tx 19, other 0, combined 0", ""),
        ]);
        Assert.Contains("maximum", Assert.Single(results, r => r.Outcome == TuningOutcome.Failed).Reason, StringComparison.Ordinal);
        Assert.Equal(before, Snapshot(tuner));
        foreach (string key in (string[])["nic/v0/rings", "nic/v0/rss", "nic/none/channels", "nic/v0/rx-9/rps_cpus", "irq/v0/x", "sysctl/net.core.nothing"])
            Assert.Contains("does not have it", Assert.Single(tuner.Apply(() => [new Wish(key, "1", "")])).Reason, StringComparison.Ordinal);
        Assert.Empty(tuner.Journal());
    });

    /// <summary>Not what a fresh interface has.</summary>
    private static void SetOwn(HostTuner tuner)
    {
        tuner.Settings.Find("nic/v0/rx-0/rps_cpus").Write("2");
        tuner.Settings.Find("nic/v0/rx-7/rps_cpus").Write("1");
        tuner.Settings.Find("nic/v0/rx-7/rps_flow_cnt").Write("64");
        tuner.Settings.Find("nic/v0/tx-0/xps_cpus").Write("2");
        tuner.Settings.Find("nic/v0/tx-7/xps_cpus").Write("1");
        tuner.Settings.Find("nic/v0/feature/rx-gro").Write("off");
    }

    private static IReadOnlyList<TuningResult> Apply(HostTuner tuner) => tuner.Apply(Stages(tuner));

    private static IReadOnlyList<TuningResult> Apply(HostTuner tuner, Tuner killed) => killed.Apply(Stages(tuner));

    private static Func<IEnumerable<Wish>>[] Stages(HostTuner tuner) =>
    [
        () => _links.SelectMany(l => HostProfile.Channels(State(tuner, l), 2)),
        () => [.. _links.SelectMany(l => HostProfile.Of(State(tuner, l), [0, 1], [0, 1])), .. HostProfile.OfHost(n => tuner.Settings.Find(SettingKeys.OfSysctl(n)).Read())],
    ];

    private static NicState State(HostTuner tuner, string link)
    {
        using RouteSocket routes = RouteSocket.Open();
        return NicState.Read(tuner.Files, tuner.Ethtool, routes.RequireLink(link));
    }

    /// <summary>A process that ends at a step: with what it had done, and with nothing said.</summary>
    private bool KilledAfter(HostTuner tuner, int steps, Func<Tuner, object> work)
    {
        using TuningJournal journal = tuner.OpenJournal();
        try
        {
            work(new Tuner(new MortalSettings(tuner.Settings, steps), journal));
            return false;
        }
        catch (SimulatedKill)
        {
            return true;
        }
    }

    /// <summary>All that there is to see of the interfaces and of what is set for the namespace.</summary>
    private static string Snapshot(HostTuner tuner)
    {
        List<string> lines = [];
        foreach (string link in _links)
        {
            lines.Add(tuner.Settings.Find($"nic/{link}/channels").Read()!);
            lines.AddRange(tuner.Ethtool!.Features(link)!.Active.Order(StringComparer.Ordinal));
            foreach (string queue in HostFiles.Names(tuner.Files.OfLink(link, "queues")))
            {
                foreach (string file in (string[])["rps_cpus", "rps_flow_cnt", "xps_cpus", "xps_rxqs"])
                    lines.Add($"{link} {queue} {file} {HostFiles.TryRead(tuner.Files.OfLink(link, $"queues/{queue}/{file}"))}");
            }
        }
        foreach (string name in (string[])["net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem", "net/core/rmem_max"])
            lines.Add(name + " " + HostFiles.TryRead("/proc/sys/" + name));
        return string.Join('\n', lines);
    }

    // The files of sysfs are those of the namespace that it was mounted in: on a thread with mounts of its own.
    private unsafe void Run(Action<HostTuner> test) => _namespace.Namespace.Run(() =>
    {
        // linux/sched.h and linux/mount.h
        const int CLONE_NEWNS = 0x20000;
        const nuint MS_PRIVATE = 1 << 18;
        Libc.Check(Libc.Unshare(CLONE_NEWNS), "unshare");
        Libc.Check(Libc.Mount("", "/", "none", MS_PRIVATE | Libc.MS_REC, null), "mount /");
        Libc.Check(Libc.Mount("sysfs", "/sys", "sysfs", 0, null), "mount /sys");
        using HostTuner tuner = HostTuner.OfThisNamespace(_folder);
        test(tuner);
        return true;
    });

    private sealed class SimulatedKill : Exception;

    private sealed class MortalSettings(ISettings real, int steps) : ISettings
    {
        private int _left = steps;

        public ISetting Find(string key) => new Setting(this, real.Find(key));

        private void Step()
        {
            if (_left-- == 0)
                throw new SimulatedKill();
        }

        private sealed class Setting(MortalSettings host, ISetting real) : ISetting
        {
            public string Key => real.Key;

            public string? Read()
            {
                host.Step();
                return real.Read();
            }

            public void Write(string value)
            {
                host.Step();
                real.Write(value);
                host.Step();
            }

            public bool AreSame(string one, string other) => real.AreSame(one, other);
        }
    }
}
