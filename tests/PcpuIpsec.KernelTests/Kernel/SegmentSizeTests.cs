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
    // 1500 less 54 for AES-GCM in tunnel mode, 8 more in UDP, less 40 for TCP and IPv4.
    [KernelTheory]
    [InlineData(true, "", false, 1406)]
    [InlineData(true, "1200", false, 1200)]
    [InlineData(false, "", false, 1460)]
    [InlineData(false, "auto", false, 1406)]
    [InlineData(false, "auto", true, 1398)]
    public async Task A_SYN_announces_what_fits_or_what_was_asked_for(bool hasInterface, string mss, bool inUdp, int expected)
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        MssClamp? clamp = mss switch { "" => null, "auto" => MssClamp.Auto, _ => int.Parse(mss, System.Globalization.CultureInfo.InvariantCulture) };
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, here, _) => here == lab.West
            ? o with { PerCpu = null, ForceEncapsulation = inUdp, Mss = clamp, XfrmInterface = hasInterface ? new XfrmInterfaceOptions { Name = "ipsec0" } : null }
            : o with { PerCpu = null });
        await pair.ConnectAsync();
        LabCapture capture = await lab.CaptureAsync(lab.Sunrise, "red", "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        using Socket listener = lab.Sunrise.Namespace.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        listener.Bind(new IPEndPoint(lab.Sunrise.Address, 8080));
        listener.Listen();
        using Socket client = lab.West.Namespace.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        client.Bind(new IPEndPoint(lab.West.Red.Address, 0));
        await client.ConnectAsync(new IPEndPoint(lab.Sunrise.Address, 8080), limit.Token);
        using Socket server = await listener.AcceptAsync(limit.Token);
        // More than one segment, back: what was announced is what comes.
        await server.SendAsync(new byte[100_000], limit.Token);
        byte[] buffer = new byte[100_000];
        for (int received = 0; received < buffer.Length;)
            received += await client.ReceiveAsync(buffer.AsMemory(received), limit.Token);
        await capture.StopAsync();

        PcapPacket syn = Assert.Single(PcapFile.Read(capture.Path));
        Assert.Equal(expected, SegmentSizeOf(syn.Bytes.Span));
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
