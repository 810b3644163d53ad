using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Bpf;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Host;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;
using PcpuIpsec.Steering;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>The program on a real interface, with real packets. All are sent from one CPU, where veth would have them processed too.</summary>
[Collection("namespaces")]
public sealed class XdpSteeringTests : IDisposable
{
    private const int Sender = 0;
    private readonly TestNetwork _network = new();
    private readonly IReadOnlyList<int> _cpus = HostCpus.Online();

    public void Dispose() => _network.Dispose();

    [NamespaceTheory]
    [InlineData("Native", false)]
    [InlineData("Native", true)]
    [InlineData("Generic", false)]
    [InlineData("Generic", true)]
    public void Each_SPI_is_processed_on_its_CPU_and_without_the_program_all_are_on_one(string mode, bool isIPv6)
    {
        const int Flows = 8, Count = 8000;
        byte[][] frames = [.. Enumerable.Range(0, Flows).Select(i => FrameTraffic.EspFrame(isIPv6, (uint)(0x1000 + i), i))];
        using var sink = new CpuSink(_network);
        FrameTraffic.Send(_network, Sender, frames, Count);
        Assert.InRange(ShareOf(sink.Take(Count), _ => Sender, Count), 0.99, 1);

        using XdpSteering steering = InEast(() => XdpSteering.Attach("wire", new XdpSteeringOptions { Mode = Enum.Parse<XdpMode>(mode) }));
        IPAddress east = IPAddress.Parse(isIPv6 ? TestNetwork.EastOuter6 : TestNetwork.EastOuter4);
        for (int i = 0; i < Flows; i++)
            steering.Set(SteeringEntry.Spi((uint)(0x1000 + i), east), CpuOf(i));
        Dictionary<int, long> before = FrameTraffic.Softnet();
        FrameTraffic.Send(_network, Sender, frames, Count);

        Assert.InRange(ShareOf(sink.Take(Count), CpuOf, Count), 0.99, 1);
        Dictionary<int, long> after = FrameTraffic.Softnet();
        SteeringCounters counters = steering.ReadCounters();
        foreach (int cpu in _cpus)
        {
            ulong expected = (ulong)(Count / Flows * Enumerable.Range(0, Flows).Count(i => CpuOf(i) == cpu));
            Assert.Equal(expected, counters.Placed.GetValueOrDefault(cpu));
            Assert.InRange(after[cpu] - before[cpu], 0.99 * expected, double.MaxValue); // What else goes on in the host comes on top.
        }

        steering.Detach();
        FrameTraffic.Send(_network, Sender, frames, Count);
        Assert.InRange(ShareOf(sink.Take(Count), _ => Sender, Count), 0.99, 1);
    }

    [NamespaceFact("ip")]
    public void ESP_in_UDP_goes_by_SPI_or_by_source_port_and_IKE_stays()
    {
        byte[][] frames = [
            FrameTraffic.EspInUdpFrame(false, 4500, 0x2000, 0),
            FrameTraffic.EspInUdpFrame(false, 50001, 0x2001, 1),
            FrameTraffic.EspInUdpFrame(false, 50001, 0, 2),
            FrameTraffic.EspInUdpFrame(false, 50002, 0x2001, 3)];
        int other = _cpus[^1];
        using var sink = new CpuSink(_network);
        using XdpSteering steering = InEast(() => XdpSteering.Attach("wire", new XdpSteeringOptions { Mode = XdpMode.Native }));
        IPAddress east = IPAddress.Parse(TestNetwork.EastOuter4);
        steering.Set(SteeringEntry.Spi(0x2000, east), other);
        steering.Set(SteeringEntry.SourcePort(50001, east), other);

        FrameTraffic.Send(_network, Sender, frames, 4000);

        Assert.InRange(ShareOf(sink.Take(4000), flow => flow < 2 ? other : Sender, 4000), 0.99, 1);
        SteeringCounters counters = steering.ReadCounters();
        Assert.Equal(2000ul, counters.Placed[other]);
        Assert.Equal(1000ul, counters.PassedOn[SteeringReason.Ike]);
        Assert.InRange(counters.PassedOn[SteeringReason.NoEntry], 1000ul, 1100ul); // Neighbour discovery and the like
    }

    [NamespaceTheory]
    [InlineData("192.0.2.1", "192.0.2.2")]
    [InlineData("2001:db8::1", "2001:db8::2")]
    public void UDP_of_this_host_with_an_unfinished_checksum_survives_the_mode_that_is_chosen(string west, string east)
    {
        using XdpSteering steering = InEast(() => XdpSteering.Attach("wire"));
        Assert.Equal(XdpMode.Generic, steering.Mode);
        Assert.Contains("unfinished checksums", Assert.Single(steering.Warnings));
        steering.SetFlowCpus([_cpus[^1]]);
        using Socket server = TestTraffic.Open(_network.East, IPAddress.Parse(east), TestTraffic.Port);
        using Socket client = TestTraffic.Open(_network.West, IPAddress.Parse(west));

        TestTraffic.SendPinned(Sender, client, (IPEndPoint)server.LocalEndPoint!, 500, 200);

        Assert.Equal(500, TestTraffic.Receive(server, 500).Count);
        Assert.InRange(steering.ReadCounters().Placed[_cpus[^1]], 500ul, 600ul);
    }

    [NamespaceFact("ip")]
    public void After_a_kill_the_program_works_on_and_a_successor_has_its_entries_queues_and_counters()
    {
        int other = _cpus[^1];
        IPAddress east = IPAddress.Parse(TestNetwork.EastOuter4);
        byte[][] frames = [FrameTraffic.EspFrame(false, 0x3000, 0)];
        using var sink = new CpuSink(_network);
        using (Process process = SteeringProcess.Start(_network.EastName, 0x3000, TestNetwork.EastOuter4, other))
            PlaneProcess.Kill(process);

        FrameTraffic.Send(_network, Sender, frames, 500);
        Assert.InRange(ShareOf(sink.Take(500), _ => other, 500), 0.99, 1);
        using XdpSteering steering = InEast(() => XdpSteering.TakeOver("wire"))!;
        Assert.Equal(XdpMode.Native, steering.Mode);
        Assert.Equal((SteeringEntry.Spi(0x3000, east), other), (Assert.Single(steering.Entries()).Key, steering.Entries().Values.Single()));
        Assert.Equal([other], steering.FlowCpus);
        Assert.Equal(500ul, steering.ReadCounters().Placed[other]);

        // It goes on with what it found.
        steering.Set(SteeringEntry.Spi(0x3000, east), Sender);
        FrameTraffic.Send(_network, Sender, frames, 500);
        Assert.InRange(ShareOf(sink.Take(500), _ => Sender, 500), 0.99, 1);
        Assert.True(InEast(() => XdpSteering.DetachFrom("wire")));
        Assert.Null(InEast(() => XdpSteering.TakeOver("wire")));
        Assert.False(InEast(() => XdpSteering.DetachFrom("wire")));
    }

    [NamespaceTheory]
    [InlineData("Native")]
    [InlineData("Generic")]
    public void Detaching_leaves_both_ends_as_they_were(string mode)
    {
        string before = State();
        using XdpSteering steering = InEast(() => XdpSteering.Attach("wire", new XdpSteeringOptions { Mode = Enum.Parse<XdpMode>(mode) }));
        Assert.NotEqual(before, State());

        steering.Detach();

        Assert.Equal(before, State());
        steering.Detach(); // Once more does no harm.
    }

    [NamespaceFact("ip")]
    public void What_cannot_be_turned_on_again_after_detaching_is_named()
    {
        using XdpSteering steering = InEast(() => XdpSteering.Attach("wire", new XdpSteeringOptions { Mode = XdpMode.Generic }));
        using XdpMaps maps = XdpMaps.TryOpen(steering.Program)!;
        Assert.True(maps.Config.TryLookup(0u, out SteeringConfig config));
        Assert.Equal(TurnedOff.None, config.TurnedOff);
        config.TurnedOff = TurnedOff.LargeReceive | TurnedOff.HardwareGro; // As if veth had had them
        maps.Config.Update(0u, config);

        string message = Assert.Throws<PcpuIpsecException>(steering.Detach).Message;

        Assert.Contains("rx-lro: ", message);
        Assert.Contains("rx-gro-hw: ", message);
        Assert.Null(InEast(() => XdpSteering.TakeOver("wire")));
    }

    [NamespaceFact("ip")]
    public void Jumbo_frames_are_no_hindrance_to_the_native_mode()
    {
        TestNetwork.Ip($"-n {_network.WestName} link set wire mtu 9000");
        TestNetwork.Ip($"-n {_network.EastName} link set wire mtu 9000");
        using XdpSteering steering = InEast(() => XdpSteering.Attach("wire", new XdpSteeringOptions { Mode = XdpMode.Native }));
        Assert.Equal(XdpMode.Native, steering.Mode);
        Assert.Contains(steering.Warnings, w => w.Contains("segmentation offload"));
    }

    [NamespaceFact("ip")]
    public void Another_ones_program_is_named_and_stays()
    {
        using SafeFileHandle program = new BpfAssembler().Move(BpfRegister.R0, 2).Exit().Load(Libc.BPF_PROG_TYPE_XDP, "a test", "firewall");
        using RouteSocket routes = InEast(RouteSocket.Open);
        int wire = routes.RequireLink("wire").Index;
        routes.AttachXdp(wire, (int)program.DangerousGetHandle(), XdpMode.Native);
        uint id = Assert.Single(routes.FindXdpLink("wire")!.Programs).ProgramId;

        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => InEast(() => XdpSteering.Attach("wire")));
        Assert.Contains($"'firewall' with id {id}: it is not ours", e.Message);
        Assert.Null(InEast(() => XdpSteering.TakeOver("wire")));
        Assert.False(InEast(() => XdpSteering.DetachFrom("wire")));

        Assert.Equal(id, Assert.Single(routes.FindXdpLink("wire")!.Programs).ProgramId);
        routes.DetachXdp(wire, (int)program.DangerousGetHandle(), XdpMode.Native);
    }

    [NamespaceFact("ip")]
    public void A_program_that_took_our_ones_place_is_not_detached()
    {
        using XdpSteering steering = InEast(() => XdpSteering.Attach("wire", new XdpSteeringOptions { Mode = XdpMode.Native }));
        Assert.Contains("take it over", Assert.Throws<PcpuIpsecException>(() => InEast(() => XdpSteering.Attach("wire"))).Message);
        using RouteSocket routes = InEast(RouteSocket.Open);
        routes.DetachXdp(routes.RequireLink("wire").Index, (int)steering.Program.DangerousGetHandle(), XdpMode.Native);
        using SafeFileHandle program = new BpfAssembler().Move(BpfRegister.R0, 2).Exit().Load(Libc.BPF_PROG_TYPE_XDP, "a test", "firewall");
        routes.AttachXdp(routes.RequireLink("wire").Index, (int)program.DangerousGetHandle(), XdpMode.Native);

        Assert.Contains("'firewall'", Assert.Throws<PcpuIpsecException>(steering.Detach).Message);

        Assert.Single(routes.FindXdpLink("wire")!.Programs);
    }

    [NamespaceFact("ip")]
    public void The_queue_of_a_CPU_is_there_as_long_as_something_is_sent_to_it()
    {
        int other = _cpus[^1];
        IPAddress east = IPAddress.Parse(TestNetwork.EastOuter6);
        using XdpSteering steering = InEast(() => XdpSteering.Attach("wire", new XdpSteeringOptions { QueueSize = 300 }));
        using XdpMaps maps = XdpMaps.TryOpen(steering.Program)!;
        Assert.False(HasQueue(other));
        steering.Set(SteeringEntry.Spi(256, east), other);
        steering.Set(SteeringEntry.FlowPort(SteeringEntry.Tcp, 443), other);
        Assert.True(HasQueue(other));

        steering.Set(SteeringEntry.Spi(256, east), Sender);
        Assert.True(steering.Remove(SteeringEntry.FlowPort(SteeringEntry.Tcp, 443)));
        Assert.Equal((false, true), (HasQueue(other), HasQueue(Sender)));
        steering.SetFlowCpus([other, other]);
        Assert.True(HasQueue(other));
        steering.SetFlowCpus([]);
        Assert.False(HasQueue(other));
        Assert.False(steering.Remove(SteeringEntry.FlowPort(SteeringEntry.Tcp, 443)));

        bool HasQueue(int cpu) => maps.Cpus.TryLookup((uint)cpu, out CpuMapValue value) && value.QueueSize == 300;
    }

    [NamespaceFact("ip")]
    public void What_cannot_be_is_refused_with_the_value_and_changes_nothing()
    {
        TestNetwork.Ip($"-n {_network.EastName} tuntap add name rawip mode tun");
        Assert.Contains("'none'", Refusal(() => XdpSteering.Attach("none")));
        Assert.Contains("hardware type is 65534", Refusal(() => XdpSteering.Attach("rawip")));
        Assert.Contains("QueueSize = 0", Refusal(() => XdpSteering.Attach("wire", new XdpSteeringOptions { QueueSize = 0 })));
        Assert.Contains("EspUdpPorts = 1, 2, 3, 4, 5", Refusal(() => XdpSteering.Attach("wire", new XdpSteeringOptions { EspUdpPorts = [1, 2, 3, 4, 5] })));
        using XdpSteering steering = InEast(() => XdpSteering.Attach("wire", new XdpSteeringOptions { EntriesAtMost = 2 }));
        IPAddress east = IPAddress.Parse(TestNetwork.EastOuter4);
        Assert.Contains("cpu = 4096", Refusal(() => steering.Set(SteeringEntry.Spi(256, east), 4096)));
        Assert.Contains("cpu = -1", Refusal(() => steering.SetFlowCpus([Sender, -1])));
        Assert.Empty(steering.Entries());
        Assert.Empty(steering.FlowCpus);
        for (uint spi = 256; spi < 258; spi++)
            steering.Set(SteeringEntry.Spi(spi, east), Sender);
        Assert.Contains("2 at most", Refusal(() => steering.Set(SteeringEntry.Spi(258, east), Sender)));
        Assert.Equal(2, steering.Entries().Count);

        string Refusal(Action action) => Assert.Throws<PcpuIpsecException>(() => InEast(() =>
        {
            action();
            return 0;
        })).Message;
    }

    /// <summary>Flows by turns on another CPU and on the sender's own.</summary>
    private int CpuOf(int flow) => _cpus[flow % _cpus.Count];

    private static double ShareOf(Dictionary<(int Flow, int Cpu), int> frames, Func<int, int> wanted, int sent)
        => frames.Where(f => f.Key.Cpu == wanted(f.Key.Flow)).Sum(f => f.Value) / (double)sent;

    private T InEast<T>(Func<T> action) => _network.East.Run(action);

    private string State() => string.Join('\n',
        TestNetwork.Ip($"-n {_network.WestName} -d link show wire"), string.Join(' ', FeaturesOf(_network.West).Order()),
        TestNetwork.Ip($"-n {_network.EastName} -d link show wire"), string.Join(' ', FeaturesOf(_network.East).Order()));

    private static IReadOnlySet<string> FeaturesOf(NamespaceThread inside) => inside.Run(() =>
    {
        using EthtoolSocket ethtool = EthtoolSocket.TryOpen()!;
        return ethtool.Features("wire")!.Active;
    });
}
