using System.Net;
using System.Net.Sockets;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Plane;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary>Datagrams that a gateway gets in fragments, to forward them through a tunnel for some ports.</summary>
public sealed class FragmentTests
{
    private const int Port = 5000, Count = 20, Whole = 500, InFragments = 3000;

    [KernelFact]
    public async Task Fragments_of_what_a_tunnel_for_ports_protects_do_not_leave_in_clear_and_go_through_it_where_they_are_put_together()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        lab.Network.AllowPlaintext();
        using Socket receiver = lab.Sunrise.Namespace.Run(() => Open(new IPEndPoint(lab.Sunrise.Address, Port)));
        using Socket sender = lab.Sunset.Namespace.Run(() => Open(new IPEndPoint(lab.Sunset.Address, 0)));
        // The capture sees fragments in clear where they leave.
        LabCapture proof = await CaptureAsync(lab);
        Assert.Equal(Count, await SendAsync(sender, receiver, InFragments));
        await proof.StopAsync();
        Assert.Equal(3 * Count, (int)proof.Captured);

        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, here, _) => o with
        {
            PerCpu = null,
            LocalSelectors = [here.Red.Network + (here == lab.West ? "[udp]" : $"[udp/{Port}]")],
            RemoteSelectors = [(here == lab.West ? lab.East : lab.West).Red.Network + (here == lab.West ? $"[udp/{Port}]" : "[udp]")],
        });
        await pair.ConnectAsync();
        LabCapture capture = await CaptureAsync(lab);
        IReadOnlyDictionary<string, long> before = XfrmErrors.Read(lab.West);
        Assert.Equal(Count, await SendAsync(sender, receiver, Whole));
        Assert.Equal(0, await SendAsync(sender, receiver, InFragments));
        IReadOnlyDictionary<string, long> after = XfrmErrors.Read(lab.West);
        Assert.Equal(3 * Count, after["XfrmOutPolBlock"] - before["XfrmOutPolBlock"]);
        Assert.Equal(Count, await OutboundPacketsAsync(pair, lab));

        // Connection tracking puts them together before they are forwarded.
        foreach (LabHost host in (LabHost[])[lab.West, lab.East])
            (await host.RunAsync(new LabCommand("nft", "add table inet t; add chain inet t c { type filter hook forward priority 0; }; add rule inet t c ct state established,new accept"), CancellationToken.None)).EnsureSuccess();
        Assert.Equal(Count, await SendAsync(sender, receiver, InFragments));
        Assert.True(await OutboundPacketsAsync(pair, lab) >= 2 * Count);
        await capture.StopAsync();
        Assert.Equal((0, 0), (capture.Captured, capture.Dropped));
    }

    private static Socket Open(IPEndPoint local)
    {
        var socket = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = 4 << 20, ReceiveTimeout = 1000 };
        socket.Bind(local);
        return socket;
    }

    /// <summary>How many of a length arrive.</summary>
    private static Task<int> SendAsync(Socket from, Socket to, int length) => Task.Run(() =>
    {
        for (int i = 0; i < Count; i++)
        {
            from.SendTo(new byte[length], to.LocalEndPoint!);
            Thread.Sleep(10);
        }
        byte[] buffer = new byte[InFragments];
        int arrived = 0;
        try
        {
            while (arrived < Count && to.Receive(buffer) == length)
                arrived++;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
        {
            // The rest was dropped.
        }
        return arrived;
    });

    private static async Task<long> OutboundPacketsAsync(GatewayPair pair, KernelLab lab)
    {
        uint spi = (await GatewayPair.FallbackAsync(pair.West)).OutboundSpi;
        return Assert.Single(await KernelLab.SasAsync(lab.West), s => s.Spi == spi && s.Direction == "out").Packets;
    }

    /// <summary>What west sends in clear.</summary>
    private static Task<LabCapture> CaptureAsync(KernelLab lab) => lab.CaptureAsync(lab.West, "black", $"src net {lab.Sunset.Red.Network}", snapLength: 128);
}
