using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Resources;

namespace PcpuIpsec.Tests.Resources;

/// <summary>Chance that repeats itself.</summary>
internal sealed class SeededChance(int seed) : IRandomSource
{
    private readonly Random _random = new(seed);

    public void Fill(Span<byte> destination) => _random.NextBytes(destination);
}

/// <summary>One group, driven by hand: time moves where a test says so.</summary>
internal sealed class GroupUnderTest
{
    private readonly Dictionary<int, (long Sent, long Received)> _used = [];
    private int _number;

    public GroupUnderTest(int cpus, int limit = 0, bool onDemand = false, int seed = 1, TimeSpan? idleTime = null)
        => Group = new ChildSaGroup(new GroupOptions([.. Enumerable.Range(0, cpus)], limit, onDemand, idleTime), new SeededChance(seed));

    public ChildSaGroup Group { get; }
    public TimeSpan Now { get; private set; }

    public List<GroupAction> Take()
    {
        List<GroupAction> actions = [];
        Group.TakeActions(actions);
        return actions;
    }

    /// <summary>Ticks at every deadline up to then; what was asked for meanwhile.</summary>
    public List<GroupAction> Wait(TimeSpan time)
    {
        List<GroupAction> actions = Take();
        TimeSpan end = Now + time;
        for (int steps = 0; Group.NextDeadline is { } deadline && deadline <= end; steps++)
        {
            Assert.True(steps < 10_000, "The group asks for the time without end.");
            Assert.True(deadline > Now, "A deadline lies in the past.");
            Now = deadline;
            Group.Tick(Now);
            actions.AddRange(Take());
        }

        Now = end;
        return actions;
    }

    public List<GroupAction> WaitForDeadline() => Group.NextDeadline is { } deadline ? Wait(deadline - Now) : [];

    /// <summary>What the IKE SA took: so long that the hold-off is the longest there is.</summary>
    public static readonly TimeSpan SetupTime = TimeSpan.FromSeconds(1);

    public List<GroupAction> Start(bool weInitiated, bool perResource = true) => Start(weInitiated, perResource, SetupTime);

    public List<GroupAction> Start(bool weInitiated, bool perResource, TimeSpan setupTime)
    {
        Group.IkeSaUp(weInitiated, perResource, setupTime, Now);
        return Up(null, weInitiated, fallback: true);
    }

    public List<GroupAction> Up(int? cpu, bool ours, bool fallback = false)
        => Up(++_number, cpu, ours, fallback);

    public List<GroupAction> Up(int number, int? cpu, bool ours, bool fallback = false)
    {
        _number = Math.Max(_number, number);
        Group.ChildUp(Info(number, cpu, ours, fallback), Now);
        return Take();
    }

    /// <summary>Answers every request for a CPU with a Child SA; their numbers.</summary>
    public List<int> Grant(IEnumerable<GroupAction> actions)
    {
        List<int> numbers = [];
        foreach (CreateForCpu create in actions.OfType<CreateForCpu>())
        {
            Assert.Empty(Up(create.Cpu, ours: true));
            numbers.Add(_number);
        }

        return numbers;
    }

    /// <summary>The peer's request: placed, and up.</summary>
    public (Placement Placement, int Number) PeerCreates()
    {
        Placement placement = Group.Place(Now);
        if (!placement.Refused)
            Up(placement.Cpu, ours: false);
        return (placement, _number);
    }

    public List<GroupAction> Down(int number, bool byPeer)
    {
        Group.ChildDown(number, byPeer, Now);
        return Take();
    }

    public List<GroupAction> Fail(int? cpu, CreateFailure reason)
    {
        Group.CreateFailed(cpu, reason, Now);
        return Take();
    }

    public List<GroupAction> Cpu(int cpu, bool online)
    {
        Group.CpuChanged(cpu, online, Now);
        return Take();
    }

    /// <summary>Waits for the next look at what is used, and answers it: per Child SA what was sent and received.</summary>
    public List<GroupAction> Use(params (int Number, long Sent, long Received)[] usage)
    {
        List<GroupAction> actions = [];
        for (int steps = 0; !actions.Contains(new ReadUsage()); steps++)
        {
            Assert.True(steps < 100 && Group.NextDeadline is not null, "The group does not ask who uses what.");
            actions.AddRange(WaitForDeadline());
        }

        actions.Remove(new ReadUsage());
        foreach ((int number, long sent, long received) in usage)
        {
            (long s, long r) = _used.GetValueOrDefault(number);
            _used[number] = (s + sent, r + received);
        }

        Group.Usage([.. _used.Select(u => new ChildUsage(u.Key, u.Value.Sent, u.Value.Received))], Now);
        return [.. actions, .. Take()];
    }

    /// <summary>The data plane counts a Child SA's packets anew.</summary>
    public void Forget(int number) => _used.Remove(number);

    public List<GroupAction> Acquire(int? cpu, TrafficSelector? local = null, TrafficSelector? remote = null)
    {
        Group.Acquire(cpu, local, remote, Now);
        return Take();
    }

    public List<GroupAction> Rekeyed(int number, int? cpu, bool ours)
    {
        Group.ChildRekeyed(Info(number, cpu, ours, fallback: false), Now);
        return Take();
    }

    public static ChildSaInfo Info(int number, int? cpu, bool ours, bool fallback) => new()
    {
        Number = number,
        InboundSpi = 0x1000u + (uint)number,
        OutboundSpi = 0x2000u + (uint)number,
        Cpu = cpu,
        IsFallback = fallback,
        OutboundInstalled = fallback || cpu is not null,
        InitiatedByUs = ours,
        Mode = IpsecMode.Tunnel,
        Suite = _suite,
        LocalSelectors = [],
        RemoteSelectors = [],
    };

    private static readonly ChosenSuite _suite = new(default, 128, default, null, default, false);

    public static IEnumerable<GroupAction> CreateFor(params int[] cpus) => cpus.Select(c => new CreateForCpu(c));
}
