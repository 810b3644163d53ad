using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>A kernel data plane on a kernel in memory. West's end of 10.1.0.0/24 – 192.0.2.1 = 192.0.2.2 – 10.2.0.0/24.</summary>
internal sealed class KernelPlaneBench : IAsyncDisposable
{
    public const string Connection = "lab";
    public const uint PeerSpi = 0x0e000000;

    /// <summary>After it a state is gone by which nothing was to be sent any more.</summary>
    public static readonly TimeSpan Retirement = TimeSpan.FromMilliseconds(250);

    public static readonly IPAddress West = IPAddress.Parse("192.0.2.1"), East = IPAddress.Parse("192.0.2.2");

    private KernelPlaneBench(FakeXfrm kernel, KernelSupport support, KernelRoutes routes)
    {
        Kernel = kernel;
        var host = new KernelHost(
            () => Statistics.ToDictionary(),
            (_, _) => throw new InvalidOperationException("no test opens a socket here"),
            () =>
            {
                if (ExpiryFault is not null)
                    throw ExpiryFault;
                Kernel.Journal.Add("expiry lowered");
            },
            () => Kernel.Journal.Add("expiry put back"),
            Remember,
            routes);
        Plane = new KernelDataPlane(new KernelPlaneOptions { Cpus = [0, 1, 2, 3], Clock = Clock }, new XfrmSocket(new NetlinkSocket(kernel, clearAnswers: true)), support, host);
        Kernel.Journal.Clear();
    }

    public FakeXfrm Kernel { get; }
    public ManualClock Clock { get; } = new();

    /// <summary>The fallbacks that sockets of their own keep from the policies.</summary>
    public List<uint> Remembered { get; } = [];

    /// <summary>What keeps a fallback from being remembered, beside <see cref="NoRoute"/>.</summary>
    public Exception? RememberFault { get; set; }

    /// <summary>No fallback can be remembered.</summary>
    public bool NoRoute { get; set; }

    /// <summary>What keeps the acquires' expiry from being lowered.</summary>
    public Exception? ExpiryFault { get; set; }

    public Dictionary<string, long> Statistics { get; } = new() { ["XfrmOutNoStates"] = 0, ["XfrmAcquireError"] = 0, ["XfrmInStateSeqError"] = 0 };
    public KernelDataPlane Plane { get; }

    public static uint RequestId => KernelIds.RequestIdOf(Connection);

    /// <summary>A plane, on a kernel that may hold what another one left.</summary>
    public static KernelPlaneBench Create(FakeXfrm? kernel = null, bool perCpu = true, KernelRoutes? routes = null)
        => new(kernel ?? new FakeXfrm(), new KernelSupport(perCpu, perCpu), routes ?? new FakeLinks().Socket());

    /// <summary>Holds the connection's traffic and forgets what that took.</summary>
    public static async Task<KernelPlaneBench> HoldAsync(bool acquirePerCpu = false, bool perCpu = true)
    {
        KernelPlaneBench bench = Create(perCpu: perCpu);
        await bench.Plane.HoldAsync(Policy() with { AcquirePerCpu = acquirePerCpu }, default);
        bench.Kernel.Journal.Clear();
        return bench;
    }

    public static TrafficPolicy Policy(string connection = Connection, string local = "10.1.0.0/24", string remote = "10.2.0.0/24") => new()
    {
        Connection = connection,
        Mode = IpsecMode.Tunnel,
        PerCpu = true,
        PerCpuSasAtMost = 8,
        LocalSelectors = [TrafficSelector.Parse(local)],
        RemoteSelectors = [TrafficSelector.Parse(remote)],
        LocalAddress = West,
        RemoteAddress = East,
    };

    /// <summary>What the journal says of an outbound state that no packet is to find any more.</summary>
    public static string Retired(string state, string added = "") => $"update sa out {state} if_id {KernelIds.RetiredInterfaceId} {added}".TrimEnd();

    public static SaInstallation Outbound(uint spi, int? cpu = null, byte? key = null) => new()
    {
        Direction = SaDirection.Outbound,
        Connection = Connection,
        Spi = spi,
        Source = West,
        Destination = East,
        Suite = XfrmRequestTests.Gcm with { Esn = false },
        EncryptionKey = Secret.CopyOf(Key(key ?? (byte)spi)),
        IntegrityKey = Secret.CopyOf([]),
        Mode = IpsecMode.Tunnel,
        LocalSelectors = Policy().LocalSelectors,
        RemoteSelectors = Policy().RemoteSelectors,
        Cpu = cpu,
    };

    public static SaInstallation Inbound(uint spi, int? cpu = null) => Outbound(spi, cpu) with
    {
        Direction = SaDirection.Inbound,
        Source = East,
        Destination = West,
        ReplayWindow = 1024,
    };

    private IDisposable Remember(XfrmState fallback)
    {
        if (RememberFault is not null)
            throw RememberFault;
        if (NoRoute)
            throw new SocketException((int)SocketError.NetworkUnreachable);
        Kernel.Journal.Add($"remember {fallback.Spi:x8}");
        Remembered.Add(fallback.Spi);
        return new Forgetting(() => Remembered.Remove(fallback.Spi));
    }

    private sealed class Forgetting(Action action) : IDisposable
    {
        public void Dispose() => action();
    }

    /// <summary>Installs a Child SA as IKE does, inbound first.</summary>
    /// <returns>The SPIs of both halves.</returns>
    public async Task<(uint Inbound, uint Outbound)> InstallAsync(int? cpu, byte number)
    {
        uint inbound = await Plane.ReserveSpiAsync(Connection, cpu, West, East, default);
        await Plane.InstallAsync(Inbound(inbound, cpu), default);
        await Plane.InstallAsync(Outbound(PeerSpi + number, cpu), default);
        return (inbound, PeerSpi + number);
    }

    /// <summary>A packet of a CPU finds no state: the placeholder and the event.</summary>
    public void Acquire(int? cpu, uint sequence)
    {
        Kernel.AddPlaceholder(RequestId, sequence, cpu, "192.0.2.1", "192.0.2.2", XfrmSamples.Trigger);
        XfrmPolicy policy = Kernel.Policies.First(p => p.Direction == XfrmPolicyDirection.Out && KernelIds.RequestIdOf(p) == RequestId);
        Plane.Take(new XfrmAcquire { PolicyIndex = policy.Index, Policy = policy, Trigger = XfrmSamples.Trigger, Source = West, Destination = East, Protocol = 50, Cpu = cpu, Sequence = sequence });
    }

    /// <summary>What the plane has told since.</summary>
    public List<DataPlaneEvent> Events()
    {
        List<DataPlaneEvent> events = [];
        while (Plane.Events.TryRead(out DataPlaneEvent? e))
            events.Add(e);
        return events;
    }

    public XfrmState State(uint spi) => Kernel.States.Single(s => s.State.Spi == spi).State;

    public bool FlagIsSet => Kernel.Policies.Single(p => p.Direction == XfrmPolicyDirection.Out).Flags == XfrmPolicyFlags.CpuAcquire;

    public ValueTask DisposeAsync() => Plane.DisposeAsync();

    private static byte[] Key(byte seed) => [.. Enumerable.Range(0, 20).Select(i => (byte)(seed + i))];
}
