using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary>What a state can carry and no tunnel of ours asks for yet, as the kernel does it.</summary>
public sealed class StateAttributeTests
{
    private static readonly ChosenSuite _gcm = new(EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, Esn: false);

    [KernelFact]
    public async Task The_kernel_keeps_a_NAT_s_mapping_alive_by_itself()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        using UdpClient peer = lab.East.Namespace.Run(() => new UdpClient(new IPEndPoint(lab.East.Address, 4500)));
        using XfrmSocket xfrm = lab.West.Namespace.Run(XfrmSocket.Open);
        var state = new XfrmState
        {
            Source = lab.West.Address,
            Destination = lab.East.Address,
            Spi = 0x1001,
            Mode = XfrmMode.Tunnel,
            RequestId = 7,
            Direction = XfrmSaDirection.Out,
            Flags = XfrmStateFlags.AfUnspec,
            Encapsulation = new XfrmEncapsulation(4500, 4500),
            NatKeepaliveInterval = 1,
        };
        xfrm.AddState(state, _gcm, new byte[20], []);

        UdpReceiveResult keepalive = await peer.ReceiveAsync(new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token);

        // RFC 3948 §2.3.
        Assert.Equal([0xff], keepalive.Buffer);
        Assert.Equal(new IPEndPoint(lab.West.Address, 4500), keepalive.RemoteEndPoint);
        Assert.Equal(1u, Assert.Single(xfrm.States()).State.NatKeepaliveInterval);
    }
}
