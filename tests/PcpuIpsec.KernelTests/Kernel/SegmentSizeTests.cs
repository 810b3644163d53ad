using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Gateway;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Plane;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary>The TCP segment size that a gateway announces through its tunnel, read from the SYN that arrives behind the other.</summary>
public sealed class SegmentSizeTests
{
    private static readonly XfrmInterfaceOptions _interface = new() { Name = "ipsec0" };

    [KernelFact]
    public async Task A_SYN_announces_what_fits_into_the_SA_or_what_was_asked_for()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        TunnelOptions? template = null;
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, here, _) =>
        {
            o = o with { PerCpu = null };
            template = here == lab.West ? o : template;
            return o;
        });
        await pair.ConnectAsync();
        Assert.Equal(1460, await AnnouncedAsync(lab));

        // 1500 less 54 for AES-GCM in tunnel mode, 8 more in UDP, less 40 for TCP and IPv4.
        foreach ((TunnelOptions tunnel, int expected) in new[]
        {
            (template! with { Mss = MssClamp.Auto }, 1406),
            (template! with { Mss = MssClamp.Auto, ForceEncapsulation = true }, 1398),
            (template! with { XfrmInterface = _interface }, 1406),
            (template! with { XfrmInterface = _interface, Mss = 1200 }, 1200),
        })
        {
            await pair.West.RemoveTunnelAsync(GatewayPair.Tunnel);
            using Secret key = Secret.CopyOf("the lab's own pre-shared key"u8);
            await pair.West.AddTunnelAsync(tunnel with { PreSharedKey = key });
            await pair.ConnectAsync();
            Assert.Equal(expected, await AnnouncedAsync(lab));
        }
    }

    /// <summary>Connects from west's protected address to sunrise, and has more than one segment come back.</summary>
    private static async Task<int> AnnouncedAsync(KernelLab lab)
    {
        LabCapture capture = await lab.CaptureAsync(lab.Sunrise, "red", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using Socket listener = lab.Sunrise.Namespace.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        listener.Bind(new IPEndPoint(lab.Sunrise.Address, 0));
        listener.Listen();
        using Socket client = lab.West.Namespace.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        client.Bind(new IPEndPoint(lab.West.Red.Address, 0));
        await client.ConnectAsync(listener.LocalEndPoint!, limit.Token);
        using Socket server = await listener.AcceptAsync(limit.Token);
        byte[] buffer = new byte[50_000];
        await server.SendAsync(buffer, limit.Token);
        for (int received = 0; received < buffer.Length;)
        {
            int count = await client.ReceiveAsync(buffer.AsMemory(received), limit.Token);
            Assert.NotEqual(0, count);
            received += count;
        }
        await capture.StopAsync();
        return SegmentSizeOf(PcapFile.Read(capture.Path)[0].Bytes.Span);
    }

    /// <summary>The option of kind 2 (RFC 9293 §3.2) of a TCP segment in IPv4 in Ethernet.</summary>
    private static int SegmentSizeOf(ReadOnlySpan<byte> frame)
    {
        ReadOnlySpan<byte> tcp = frame[(14 + ((frame[14] & 15) * 4))..];
        ReadOnlySpan<byte> options = tcp[20..((tcp[12] >> 4) * 4)];
        while (options.Length >= 4 && options[0] != 2)
            options = options[(options[0] == 1 ? 1 : options[1])..];
        return (options[2] << 8) | options[3];
    }
}
