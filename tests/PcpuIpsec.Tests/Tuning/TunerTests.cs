using PcpuIpsec.Tuning;

namespace PcpuIpsec.Tests.Tuning;

public sealed class TunerTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pcpu-tuner-");
    private readonly SimulatedSettings _host = Host();

    private string Path => System.IO.Path.Combine(_folder.FullName, "tuning", "journal");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void What_was_changed_is_put_back()
    {
        string before = _host.Snapshot();
        Assert.All(Apply(Plan()), r => Assert.Equal(TuningOutcome.Changed, r.Outcome));
        Assert.Equal("2", _host["nic/eth0/channels"]);
        Assert.Equal("2", _host["irq/eth0/q1"]);
        Assert.DoesNotContain(Restore(), r => r.Outcome is TuningOutcome.Failed or TuningOutcome.Gone);
        Assert.Equal(before, _host.Snapshot());
        Assert.False(Directory.Exists(System.IO.Path.GetDirectoryName(Path)));
        Assert.Empty(Restore());
    }

    [Fact]
    public void The_first_value_is_put_back_however_often_it_was_changed()
    {
        string before = _host.Snapshot();
        Apply(Plan());
        Apply([new("sysctl/a", "77", ""), new("nic/eth0/channels", "3", "") { Disturbs = ["irq/eth0/q0", "irq/eth0/q1"] }]);
        Restore();
        Assert.Equal(before, _host.Snapshot());
    }

    [Fact]
    public void It_is_put_back_exactly_wherever_the_process_is_killed()
    {
        int points = 0;
        for (int kill = 0; ; kill++, points++)
        {
            SimulatedSettings host = Host();
            string before = host.Snapshot();
            host.KillAfter = kill;
            if (!IsKilled(() => Apply(host, Plan())))
                break;
            host.KillAfter = null;
            Restore(host);
            Assert.Equal(before, host.Snapshot());
        }
        for (int kill = 0; ; kill++, points++)
        {
            SimulatedSettings host = Host();
            string before = host.Snapshot();
            Apply(host, Plan());
            host.KillAfter = host.Steps + kill;
            bool isKilled = IsKilled(() => Restore(host));
            host.KillAfter = null;
            Restore(host);
            Assert.Equal(before, host.Snapshot());
            if (!isKilled)
                break;
        }
        Assert.InRange(points, 40, 1000);
    }

    [Fact]
    public void A_journal_that_was_being_written_is_read_up_to_its_last_whole_line()
    {
        string before = _host.Snapshot();
        Apply(Plan());
        string whole = File.ReadAllText(Path);
        string after = _host.Snapshot();
        int lastLine = whole.TrimEnd('\n').LastIndexOf('\n') + 1;
        for (int length = lastLine; length < whole.Length; length++)
        {
            File.WriteAllText(Path, whole[..length]);
            using var journal = TuningJournal.Open(Path, "boot");
            Assert.Equal(Plan()[^1].Key, Assert.Single(LastKey(whole)));
            Assert.DoesNotContain(journal.Entries, e => e.Key == Plan()[^1].Key);
        }
        Assert.NotEqual(before, after);

        static IEnumerable<string> LastKey(string text) => [text.Split("\"key\":\"")[^1].Split('"')[0]];
    }

    [Fact]
    public void A_change_that_is_refused_takes_back_those_before_it_and_no_earlier_ones()
    {
        Apply([new("sysctl/a", "5", "")]);
        string before = _host.Snapshot();
        _host.Refusing["sysctl/b"] = "out of range";
        IReadOnlyList<TuningResult> results = Apply(Plan());
        Assert.Contains("out of range", Assert.Single(results, r => r.Outcome == TuningOutcome.Failed).Reason, StringComparison.Ordinal);
        Assert.Equal(before, _host.Snapshot());
        _host.Refusing.Clear();
        Restore();
        Assert.Equal(Host().Snapshot(), _host.Snapshot());
    }

    [Fact]
    public void What_is_optional_is_left_out_where_it_is_refused()
    {
        _host.Refusing["sysctl/b"] = "out of range";
        IReadOnlyList<TuningResult> results = Apply([new("sysctl/b", "9", "", IsOptional: true), new("sysctl/none", "9", "", IsOptional: true), .. Plan().SkipLast(1)]);
        Assert.Equal(["sysctl/b", "sysctl/none"], results.Where(r => r.Outcome == TuningOutcome.Refused).Select(r => r.Key));
        Assert.Equal("10", _host["sysctl/a"]);
        _host.Refusing.Clear();
        Restore();
        Assert.Equal(Host().Snapshot(), _host.Snapshot());
    }

    [Fact]
    public void A_plan_changes_nothing_and_tells_what_would_be()
    {
        string before = _host.Snapshot();
        IReadOnlyList<TuningResult> plan = Tuner.Plan(_host, [new("sysctl/a", "1", "w"), .. Plan()]);
        Assert.Equal(TuningOutcome.Unchanged, plan[0].Outcome);
        Assert.Equal("w", plan[0].Why);
        Assert.Equal(("4", "2", TuningOutcome.Planned), (plan[1].Before, plan[1].After, plan[1].Outcome));
        Assert.Equal(before, _host.Snapshot());
        Assert.False(File.Exists(Path));
    }

    [Fact]
    public void A_value_that_does_not_take_is_a_failure()
    {
        _host.Deaf.Add("sysctl/a");
        Assert.Contains("and it is '1'", Assert.Single(Apply([new("sysctl/a", "9", "")])).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_put_back_is_named_and_tried_again_the_next_time()
    {
        string before = _host.Snapshot();
        Apply(Plan());
        _host.Refusing["sysctl/b"] = "not now";
        TuningResult failed = Assert.Single(Restore(), r => r.Outcome == TuningOutcome.Failed);
        Assert.Equal("sysctl/b", failed.Key);
        Assert.Contains("not now", failed.Reason, StringComparison.Ordinal);
        _host.Refusing.Clear();
        Assert.Equal("sysctl/b", Assert.Single(Restore()).Key);
        Assert.Equal(before, _host.Snapshot());
    }

    [Fact]
    public void What_is_gone_is_named_and_forgotten()
    {
        Apply(Plan());
        _host.Remove("sysctl/b");
        Assert.Equal("sysctl/b", Assert.Single(Restore(), r => r.Outcome == TuningOutcome.Gone).Key);
        Assert.Empty(Restore());
    }

    [Fact]
    public void A_boot_undid_it_and_what_is_otherwise_since_is_left()
    {
        Apply(Plan());
        SimulatedSettings booted = Host();
        booted["sysctl/b"] = "set at boot";
        string before = booted.Snapshot();
        using (var journal = TuningJournal.Open(Path, "next boot"))
        {
            IReadOnlyList<TuningResult> results = new Tuner(booted, journal).Restore();
            Assert.Equal("sysctl/b", Assert.Single(results, r => r.Outcome == TuningOutcome.UndoneByBoot).Key);
            Assert.All(results.Where(r => r.Key != "sysctl/b"), r => Assert.Equal(TuningOutcome.Unchanged, r.Outcome));
        }
        Assert.Equal(before, booted.Snapshot());
        Assert.False(File.Exists(Path));
    }

    [Fact]
    public void What_is_tuned_after_a_boot_is_put_back_to_what_it_was_after_the_boot()
    {
        Apply(Plan());
        SimulatedSettings booted = Host();
        booted["sysctl/a"] = "3";
        string before = booted.Snapshot();
        using var journal = TuningJournal.Open(Path, "next boot");
        var tuner = new Tuner(booted, journal);
        tuner.Apply(Plan);
        tuner.Restore();
        Assert.Equal(before, booted.Snapshot());
    }

    [Fact]
    public void Two_sessions_cannot_tune_at_once()
    {
        using var journal = TuningJournal.Open(Path, "boot");
        var e = Assert.Throws<PcpuIpsecException>(() => TuningJournal.Open(Path, "boot"));
        Assert.Contains("Another session", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_journal_that_cannot_be_read_or_written_keeps_everything_as_it_is()
    {
        Directory.CreateDirectory(Path);
        string before = _host.Snapshot();
        using (var journal = TuningJournal.Open(Path, "boot"))
            Assert.Contains("nothing is changed", Assert.Single(new Tuner(_host, journal).Apply(() => [new("sysctl/a", "9", "")])).Reason, StringComparison.Ordinal);
        Directory.Delete(Path);
        File.WriteAllText(Path, "no journal\n");
        Assert.Contains("nothing is changed", Assert.Throws<PcpuIpsecException>(() => TuningJournal.Open(Path, "boot")).Message, StringComparison.Ordinal);
        Assert.Equal(before, _host.Snapshot());
    }

    private static SimulatedSettings Host()
    {
        var host = new SimulatedSettings { ["nic/eth0/channels"] = "4", ["sysctl/a"] = "1", ["sysctl/b"] = "2 3 4" };
        for (int queue = 0; queue < 4; queue++)
            host[$"irq/eth0/q{queue}"] = (1 << (3 - queue)).ToString("x", System.Globalization.CultureInfo.InvariantCulture);
        return host;
    }

    private static IReadOnlyList<Wish> Plan() =>
    [
        new("nic/eth0/channels", "2", "") { Disturbs = ["irq/eth0/q0", "irq/eth0/q1", "irq/eth0/q2", "irq/eth0/q3"] },
        new("irq/eth0/q0", "1", ""),
        new("irq/eth0/q1", "2", ""),
        new("sysctl/a", "10", ""),
        new("sysctl/b", "5 6 7", ""),
    ];

    private static bool IsKilled(Action action)
    {
        try
        {
            action();
            return false;
        }
        catch (SimulatedSettings.KilledException)
        {
            return true;
        }
    }

    private IReadOnlyList<TuningResult> Apply(IReadOnlyList<Wish> plan) => Apply(_host, plan);

    private IReadOnlyList<TuningResult> Apply(SimulatedSettings host, IReadOnlyList<Wish> plan)
    {
        using var journal = TuningJournal.Open(Path, "boot");
        return new Tuner(host, journal).Apply(() => plan);
    }

    private IReadOnlyList<TuningResult> Restore() => Restore(_host);

    private IReadOnlyList<TuningResult> Restore(SimulatedSettings host)
    {
        using var journal = TuningJournal.Open(Path, "boot");
        return new Tuner(host, journal).Restore();
    }
}
