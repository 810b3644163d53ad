using System.Text;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Tests.Gateway;

/// <summary>Two gateways with the real protocol, over UDP on the loopback interface; only their data planes carry nothing.</summary>
public class GatewayPairTests
{
    private const string Key = "correct horse battery staple";
    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(20);

    private sealed class Pair : IAsyncDisposable
    {
        private Pair(TunnelOptions west, TunnelOptions east, int cpus)
        {
            WestTunnel = west;
            EastTunnel = east;
            WestPlane = new FakeDataPlane { Cpus = [.. Enumerable.Range(0, cpus)] };
            EastPlane = new FakeDataPlane { Cpus = [.. Enumerable.Range(0, cpus)] };
        }

        public TunnelOptions WestTunnel { get; }

        public TunnelOptions EastTunnel { get; }

        public FakeDataPlane WestPlane { get; }

        public FakeDataPlane EastPlane { get; }

        public CollectingLogger Log { get; } = new();

        public IpsecGateway West { get; private set; } = null!;

        public IpsecGateway East { get; private set; } = null!;

        public static async Task<Pair> StartAsync(Func<TunnelOptions, TunnelOptions>? both = null, Func<TunnelOptions, TunnelOptions>? east = null, int cpus = 1, bool silent = false)
        {
            TunnelOptions west = (both ?? (t => t))(TestTunnels.OnLoopback("pair") with { PreSharedKey = Secret.CopyOf(Encoding.ASCII.GetBytes(Key)) });
            TunnelOptions mirrored = west with
            {
                LocalAddress = west.RemoteAddress,
                RemoteAddress = west.LocalAddress,
                LocalSelectors = west.RemoteSelectors,
                RemoteSelectors = west.LocalSelectors,
                LocalId = west.RemoteId,
                RemoteId = west.LocalId,
            };
            var pair = new Pair(west, (east ?? (t => t))(mirrored), cpus);
            pair.West = await StartAsync(pair.WestTunnel, pair.WestPlane, pair.Log);
            pair.East = await StartAsync(silent ? null : pair.EastTunnel, pair.EastPlane, pair.Log);
            return pair;
        }

        public Task<TunnelStatus> StatusAsync(IpsecGateway gateway) => gateway.GetStatusAsync().ContinueWith(t => t.Result.Tunnels[0], TaskScheduler.Default);

        public async ValueTask DisposeAsync()
        {
            await West.DisposeAsync();
            await East.DisposeAsync();
        }

        private static Task<IpsecGateway> StartAsync(TunnelOptions? tunnel, FakeDataPlane plane, CollectingLogger log)
            => IpsecGateway.StartAsync(
                new GatewayOptions { Tunnels = tunnel is null ? [] : [tunnel], LoggerFactory = log },
                plane,
                "a test",
                new GatewayCore(new SystemRandom(), new CoreLimits()),
                CancellationToken.None);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Two_gateways_connect_and_every_CPU_gets_its_Child_SA_at_both_ends(bool encapsulated)
    {
        await using Pair pair = await Pair.StartAsync(t => t with { PerCpu = new PerCpuOptions(), ForceEncapsulation = encapsulated }, cpus: 2);

        await pair.West.ConnectAsync("pair").WaitAsync(_soon);
        TunnelStatus west = await pair.West.WaitForChildSasAsync("pair").WaitAsync(_soon);
        TunnelStatus east = await pair.East.WaitForChildSasAsync("pair").WaitAsync(_soon);

        Assert.Equal(TunnelState.Up, west.State);
        Assert.Equal([null, 0, 1], west.ChildSas.Select(c => c.Cpu).Order());
        Assert.Equal([null, 0, 1], east.ChildSas.Select(c => c.Cpu).Order());
        Assert.Equal(west.ChildSas.Select(c => c.OutboundSpi).Order(), east.ChildSas.Select(c => c.InboundSpi).Order());
        Assert.Equal(encapsulated ? TestTunnels.NatTraversalPort : TestTunnels.IkePort, west.IkeSa!.Local!.Port);
        Assert.Equal(encapsulated, pair.WestPlane.Installed.Values.All(sa => sa.Encapsulation is not null));
        Assert.True(west.IkeSa.PerResource);
    }

    [Fact]
    public async Task Without_per_CPU_there_is_one_Child_SA()
    {
        await using Pair pair = await Pair.StartAsync(cpus: 2);

        await pair.West.ConnectAsync("pair").WaitAsync(_soon);
        TunnelStatus west = await pair.West.WaitForChildSasAsync("pair").WaitAsync(_soon);

        Assert.True(Assert.Single(west.ChildSas).IsFallback);
        Assert.Equal(2, pair.WestPlane.Installed.Count);
    }

    [Fact]
    public async Task SAs_are_rekeyed_moved_and_deleted_and_the_peer_answers_when_asked()
    {
        await using Pair pair = await Pair.StartAsync(t => t with { PerCpu = new PerCpuOptions() }, cpus: 2);
        await pair.West.ConnectAsync("pair").WaitAsync(_soon);
        TunnelStatus before = await pair.West.WaitForChildSasAsync("pair").WaitAsync(_soon);
        ChildSaStatus child = before.ChildSas.First(c => c.Cpu == 0);

        await pair.West.CheckPeerAsync("pair").WaitAsync(_soon);
        await pair.West.RekeyChildSaAsync("pair", child.Number).WaitAsync(_soon);
        await pair.West.RekeyIkeSaAsync("pair").WaitAsync(_soon);
        TunnelStatus after = await pair.StatusAsync(pair.West);
        Assert.NotEqual(child.InboundSpi, after.ChildSas.First(c => c.Number == child.Number).InboundSpi);
        Assert.NotEqual(before.IkeSa!.InitiatorSpi, after.IkeSa!.InitiatorSpi);

        await pair.West.MoveChildSaAsync("pair", child.Number, 1).WaitAsync(_soon);
        Assert.Equal(1, (await pair.StatusAsync(pair.West)).ChildSas.First(c => c.Number == child.Number).Cpu);

        ChildSaStatus fallback = after.ChildSas.First(c => c.IsFallback);
        await pair.West.DeleteChildSaAsync("pair", fallback.Number).WaitAsync(_soon);
        Assert.DoesNotContain((await pair.StatusAsync(pair.West)).ChildSas, c => c.Number == fallback.Number);
        await pair.West.CheckPeerAsync("pair").WaitAsync(_soon);
    }

    [Fact]
    public async Task Closing_takes_the_SAs_out_at_both_ends_and_keeps_both_held()
    {
        await using Pair pair = await Pair.StartAsync();
        await pair.West.ConnectAsync("pair").WaitAsync(_soon);

        await pair.West.CloseTunnelAsync("pair").WaitAsync(_soon);

        Assert.Equal(TunnelState.Down, (await pair.StatusAsync(pair.West)).State);
        await GatewayHarness.UntilAsync(() => pair.WestPlane.Installed.IsEmpty && pair.EastPlane.Installed.IsEmpty, "no SA is left");
        Assert.Contains("pair", pair.WestPlane.Held.Keys);
        Assert.Contains("pair", pair.EastPlane.Held.Keys);
        await pair.West.ConnectAsync("pair").WaitAsync(_soon);
    }

    public static TheoryData<string, PcpuIpsecError> Misfits() => new()
    {
        { "key", PcpuIpsecError.AuthenticationFailed },
        { "identity", PcpuIpsecError.AuthenticationFailed },
        { "IKE suite", PcpuIpsecError.NoProposalChosen },
        { "ESP suite", PcpuIpsecError.NoProposalChosen },
        { "selectors", PcpuIpsecError.TrafficSelectorsUnacceptable },
    };

    [Theory]
    [MemberData(nameof(Misfits))]
    public async Task Ends_that_do_not_fit_say_why_within_five_seconds_and_leave_no_SA_behind(string what, PcpuIpsecError expected)
    {
        await using Pair pair = await Pair.StartAsync(
            t => t with { IkeSuites = ["aes128gcm16-sha256-x25519"], EspSuites = ["aes128gcm16"] },
            t => what switch
            {
                "key" => t with { PreSharedKey = Secret.CopyOf("wrong horse battery staple"u8) },
                "identity" => t with { LocalId = "stranger.example" },
                "IKE suite" => t with { IkeSuites = ["aes256gcm16-sha384-ecp384"] },
                "ESP suite" => t with { EspSuites = ["chacha20poly1305"] },
                _ => t with { LocalSelectors = ["198.51.100.0/24"] },
            });

        var error = await Assert.ThrowsAsync<PcpuIpsecException>(() => pair.West.ConnectAsync("pair").WaitAsync(TimeSpan.FromSeconds(5)));

        Assert.Equal(expected, error.Error);
        Assert.StartsWith("Tunnel 'pair': ", error.Message);
        await pair.West.RemoveTunnelAsync("pair").WaitAsync(_soon);
        Assert.Empty(pair.WestPlane.Held);
        Assert.Empty(pair.WestPlane.Installed);
    }

    [Fact]
    public async Task A_silent_peer_is_given_up_after_the_time_asked_for()
    {
        await using Pair pair = await Pair.StartAsync(t => t with { RetransmitInitial = TimeSpan.FromMilliseconds(100), RetransmitGiveUp = TimeSpan.FromSeconds(1) }, silent: true);

        var error = await Assert.ThrowsAsync<PcpuIpsecException>(() => pair.West.ConnectAsync("pair").WaitAsync(TimeSpan.FromSeconds(5)));

        Assert.Equal(PcpuIpsecError.PeerSilent, error.Error);
    }

    [Fact]
    public async Task No_key_is_in_the_log_of_a_whole_life()
    {
        Pair pair = await Pair.StartAsync(t => t with { PerCpu = new PerCpuOptions(), EspSuites = ["aes128-sha256-x25519"] }, cpus: 2);
        await using (pair)
        {
            await pair.West.ConnectAsync("pair").WaitAsync(_soon);
            TunnelStatus west = await pair.West.WaitForChildSasAsync("pair").WaitAsync(_soon);
            await pair.West.RekeyChildSaAsync("pair", west.ChildSas[1].Number).WaitAsync(_soon);
            await pair.West.RekeyIkeSaAsync("pair").WaitAsync(_soon);
        }

        string log = string.Join('\n', pair.Log.Lines.Select(l => l.Text));
        Assert.Contains(pair.Log.Lines, l => l.Id == 201);
        Assert.Contains(pair.Log.Lines, l => l.Id == 304);
        Assert.NotEmpty(pair.WestPlane.Keys);
        foreach (byte[] key in pair.WestPlane.Keys.Concat(pair.EastPlane.Keys).Append(Encoding.ASCII.GetBytes(Key)))
        {
            Assert.DoesNotContain(Convert.ToHexString(key), log, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(BitConverter.ToString(key), log, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(Convert.ToBase64String(key), log, StringComparison.Ordinal);
            Assert.DoesNotContain(string.Join(", ", key), log, StringComparison.Ordinal);
        }
        Assert.DoesNotContain(Key, log, StringComparison.Ordinal);
        Assert.All(pair.Log.Lines, l => Assert.NotEqual(400, l.Id));
    }
}
