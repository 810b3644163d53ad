using System.Text;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Netlink;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Ethtool;

/// <summary>ethtool on a scripted kernel whose family has the number 0x15. Bytes are those of little-endian hosts.</summary>
public abstract class EthtoolHarness : IDisposable
{
    private protected const ushort Family = 0x15;

    private protected EthtoolHarness()
    {
        Kernel.Expect(request =>
        [
            new Answer(Message(request, GenericControl.Family, NetlinkFlags.None, Hex("01 02 0000  0c00 0200 657468746f6f6c00  0600 0100 1500 0000"))),
            Ack(request),
        ]);
        Ethtool = EthtoolSocket.TryOpen(new NetlinkSocket(Kernel), Control)!;
    }

    private protected FakeKernel Kernel { get; } = new();

    private protected FakeEthtoolControl Control { get; } = new();

    private protected EthtoolSocket Ethtool { get; }

    /// <summary>The payload of a request, from ethtool's command on.</summary>
    private protected byte[] Sent(int request) => Kernel.Requests[request][NetlinkHeader.Size..];

    private protected void Answer(string hex) => Answer(Hex(hex));

    private protected void Answer(byte[] payload) => Kernel.Expect(request => [new Answer(Message(request, Family, NetlinkFlags.None, payload)), Ack(request)]);

    private protected void AnswerAck() => Kernel.Expect(request => [Ack(request)]);

    /// <summary>An errno, and the driver's words.</summary>
    private protected void Refuse(int errno, string? text = null)
        => Kernel.Expect(request => [Ack(request, errno, text is null ? [] : Attribute(1, [.. Encoding.ASCII.GetBytes(text), 0]))]);

    /// <summary>ETHTOOL_A_*_HEADER with eth0 in it, as every request begins.</summary>
    private protected const string HeaderOfEth0 = "1000 0180  0900 0200 6574683000000000";

    public void Dispose()
    {
        Ethtool.Dispose();
        GC.SuppressFinalize(this);
    }
}
