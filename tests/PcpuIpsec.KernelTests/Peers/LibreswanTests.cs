using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Lab;
using PcpuIpsec.Xfrm;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>One lab and one pluto for all tests.</summary>
public sealed class LibreswanFixture : IAsyncLifetime
{
    public const string Key = "the lab's own pre-shared key";

    private readonly string _folder = Directory.CreateTempSubdirectory("pcpu-ipsec-libreswan-").FullName;

    internal LabNetwork Network { get; private set; } = null!;

    internal Libreswan Peer { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        Network.AllowPlaintext();
        Peer = await Libreswan.StartAsync(Network.East, Network.West, _folder, Key);
    }

    public async Task DisposeAsync()
    {
        if (Peer is not null)
        {
            await File.WriteAllTextAsync(Path.Combine(GuestMachine.ResultsFolder, "libreswan.log"), Peer.Log);
            await Peer.DisposeAsync();
        }
        await Network.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>
/// Our gateway against libreswan, which knows nothing of RFC 9611: asked for a Child SA a CPU, ours makes do with one.
/// </summary>
public sealed class LibreswanTests(LibreswanFixture fixture, ITestOutputHelper output) : IClassFixture<LibreswanFixture>
{
    [KernelTheory]
    [InlineData(End.Us)]
    [InlineData(End.Peer)]
    public async Task One_Child_SA_carries_every_CPU_and_either_end_rekeys_it_and_the_IKE_SA(End initiator)
    {
        await using LibreswanTunnel tunnel = await OpenAsync();
        await tunnel.ConnectAsync(initiator);
        await tunnel.AssertWellAsync();
        Assert.False((await tunnel.StatusAsync()).IkeSa!.PerResource);

        await tunnel.ReplacesTheChildSaAsync(async () => await tunnel.Gateway.RekeyChildSaAsync(LibreswanTunnel.Name, (await tunnel.ChildAsync()).Number));
        await tunnel.AssertWellAsync();
        await tunnel.ReplacesTheChildSaAsync(fixture.Peer.RekeyChildAsync);
        await tunnel.AssertWellAsync();
        await tunnel.ReplacesTheIkeSaAsync(() => tunnel.Gateway.RekeyIkeSaAsync(LibreswanTunnel.Name));
        await tunnel.AssertWellAsync();
        await tunnel.ReplacesTheIkeSaAsync(fixture.Peer.RekeyIkeAsync);
        await tunnel.AssertWellAsync();
    }

    [KernelTheory]
    [InlineData(End.Us, End.Us)]
    [InlineData(End.Us, End.Peer)]
    [InlineData(End.Peer, End.Us)]
    [InlineData(End.Peer, End.Peer)]
    public async Task What_one_end_deletes_is_gone_at_both_and_comes_back_with_traffic(End initiator, End by)
    {
        await using LibreswanTunnel tunnel = await OpenAsync();
        await tunnel.ConnectAsync(initiator);
        await tunnel.AssertWellAsync();

        uint child = (await tunnel.ChildAsync()).InboundSpi;
        await (by == End.Us ? tunnel.Gateway.DeleteChildSaAsync(LibreswanTunnel.Name, (await tunnel.ChildAsync()).Number) : fixture.Peer.DeleteChildAsync());
        await tunnel.LosesAsync(child);
        await tunnel.PassesAgainAsync();
        await tunnel.AssertWellAsync();

        child = (await tunnel.ChildAsync()).InboundSpi;
        await (by == End.Us ? tunnel.Gateway.CloseTunnelAsync(LibreswanTunnel.Name) : fixture.Peer.DeleteIkeAsync());
        await tunnel.LosesAsync(child);
        await tunnel.PassesAgainAsync();
        await tunnel.AssertWellAsync();
    }

    private async Task<LibreswanTunnel> OpenAsync()
    {
        using Secret key = Secret.CopyOf(System.Text.Encoding.ASCII.GetBytes(LibreswanFixture.Key));
        int logged = fixture.Peer.Log.Length;
        IpsecGateway gateway = await IpsecGateway.StartAsync(new GatewayOptions
        {
            DataPlane = DataPlaneKind.Kernel,
            NetworkNamespace = fixture.Network.West.Namespace.Path,
            Tunnels =
            [
                new TunnelOptions
                {
                    Name = LibreswanTunnel.Name,
                    LocalAddress = fixture.Network.West.Address,
                    RemoteAddress = fixture.Network.East.Address,
                    PreSharedKey = key,
                    LocalSelectors = [fixture.Network.West.Red.Network.ToString()],
                    RemoteSelectors = [fixture.Network.East.Red.Network.ToString()],
                    PerCpu = new PerCpuOptions(),
                },
            ],
        });
        return new LibreswanTunnel(fixture.Network, fixture.Peer, gateway, logged, output.WriteLine);
    }
}

/// <summary>One tunnel between our gateway and libreswan.</summary>
internal sealed class LibreswanTunnel(LabNetwork network, Libreswan peer, IpsecGateway gateway, int logged, Action<string> say) : IAsyncDisposable
{
    public const string Name = "lab";

    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(40);

    private readonly IReadOnlyList<int> _cpus = HostCpus.Online();

    public IpsecGateway Gateway => gateway;

    private string PeerLog => peer.Log[logged..];

    public async Task<TunnelStatus> StatusAsync() => Assert.Single((await gateway.GetStatusAsync()).Tunnels);

    public async Task<ChildSaStatus> ChildAsync() => Assert.Single((await StatusAsync()).ChildSas);

    public async Task ConnectAsync(End initiator)
    {
        using var timeout = new CancellationTokenSource(_timeout);
        await (initiator == End.Us ? gateway.ConnectAsync(Name, timeout.Token) : peer.InitiateAsync());
    }

    /// <summary>The same SAs at both ends, one for either direction, that carry every CPU's packets; and nothing of ours that the peer did not understand.</summary>
    public async Task AssertWellAsync()
    {
        const int Count = 10;
        await AgreeAsync();
        ChildSaStatus before = await ChildAsync();
        Assert.All(await PinnedPing.RunAsync(network.Sunset, network.Sunrise.Address, _cpus, Count), lost => Assert.Equal(0, lost.Value));
        Assert.All(await PinnedPing.RunAsync(network.Sunrise, network.Sunset.Address, _cpus, Count), lost => Assert.Equal(0, lost.Value));

        ChildSaStatus after = await ChildAsync();
        Assert.Equal((before.InboundSpi, before.OutboundSpi), (after.InboundSpi, after.OutboundSpi));
        Assert.True(after.IsFallback);
        long expected = 2 * Count * _cpus.Count;
        Assert.Equal((expected, expected), (after.PacketsOut - before.PacketsOut, after.PacketsIn - before.PacketsIn));
        IReadOnlyList<XfrmInstalledState> theirs = PeerKernel.States(network.East);
        Assert.Equal(after.PacketsOut, (long)Assert.Single(theirs, s => s.State.Spi == after.OutboundSpi).Counters.Packets);
        Assert.Equal(after.PacketsIn, (long)Assert.Single(theirs, s => s.State.Spi == after.InboundSpi).Counters.Packets);
        Assert.Empty(Libreswan.Warnings(PeerLog));
    }

    public async Task ReplacesTheChildSaAsync(Func<Task> rekey)
    {
        uint before = (await ChildAsync()).InboundSpi;
        await rekey();
        await PeerTunnel.UntilAsync(async () => (await StatusAsync()).ChildSas is [var child] && child.InboundSpi != before ? null : "the Child SA is the one from before");
    }

    public async Task ReplacesTheIkeSaAsync(Func<Task> rekey)
    {
        ulong before = (await StatusAsync()).IkeSa!.InitiatorSpi;
        uint child = (await ChildAsync()).InboundSpi;
        await rekey();
        await PeerTunnel.UntilAsync(async () => (await StatusAsync()).IkeSa is { } ike && ike.InitiatorSpi != before ? null : "the IKE SA is the one from before");
        Assert.Equal(child, (await ChildAsync()).InboundSpi);
    }

    /// <summary>Waits until a Child SA is in neither kernel.</summary>
    public Task LosesAsync(uint inboundSpi) => PeerTunnel.UntilAsync(() =>
    {
        int left = PeerKernel.States(network.West).Concat(PeerKernel.States(network.East)).Count(s => s.State.Spi == inboundSpi);
        return Task.FromResult(left == 0 ? null : $"{left} ends still have {inboundSpi:x8}");
    });

    /// <summary>Sends from behind us until all arrives.</summary>
    public Task PassesAgainAsync() => PeerTunnel.UntilAsync(async () =>
        (await PinnedPing.RunAsync(network.Sunset, network.Sunrise.Address, _cpus, 2)).Values.Sum() is > 0 and var lost ? $"{lost} of {2 * _cpus.Count} packets are lost" : null);

    /// <summary>Ends the tunnel at both ends, so that the next one starts from nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        say(await peer.StatesAsync());
        say(PeerLog);
        say(PeerKernel.Describe(network.West));
        say(PeerKernel.Describe(network.East));
        await gateway.RemoveTunnelAsync(Name);
        await gateway.DisposeAsync();
        await peer.ResetAsync();
    }

    private Task AgreeAsync() => PeerTunnel.UntilAsync(async () =>
    {
        string ours = Spis(network.West), theirs = Spis(network.East);
        return ours == theirs && (await StatusAsync()).ChildSas is [{ } child] && ours == Text([child.InboundSpi, child.OutboundSpi])
            ? null
            : $"our SAs are {ours}, the peer's {theirs}";

        static string Spis(LabHost host) => Text([.. PeerKernel.States(host).Where(s => !s.IsLarval).Select(s => s.State.Spi)]);
        static string Text(uint[] spis) => string.Join(' ', spis.Order().Select(s => s.ToString("x8")));
    });
}
