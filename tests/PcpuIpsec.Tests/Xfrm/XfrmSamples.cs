using System.Net;
using System.Runtime.InteropServices;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>Policies and states as we write them and as the kernel tells them.</summary>
internal static class XfrmSamples
{
    public static XfrmPolicy Policy { get; } = new()
    {
        Selector = new XfrmSelector { Source = XfrmPrefix.Parse("10.1.0.0/24"), Destination = XfrmPrefix.Parse("10.2.0.0/24") },
        Direction = XfrmPolicyDirection.Out,
        Priority = 375_423,
        Flags = XfrmPolicyFlags.CpuAcquire,
        Templates = [Template("192.0.2.1", "192.0.2.2")],
        InterfaceId = 9,
    };

    /// <summary>A packet's own.</summary>
    public static XfrmSelector Trigger { get; } = new()
    {
        Source = XfrmPrefix.Parse("10.1.0.1/32"),
        Destination = XfrmPrefix.Parse("10.2.0.1/32"),
        Protocol = 6,
        SourcePort = XfrmPort.Exactly(1024),
        DestinationPort = XfrmPort.Exactly(80),
    };

    public static string SelectorHex { get; } = $"0a020000 {Zeroes(12)} 0a010000 {Zeroes(12)} 0000 0000 0000 0000 0200 18 18 00 000000 00000000 00000000";

    public static XfrmTemplate Template(string source, string destination)
        => new() { Source = IPAddress.Parse(source), Destination = IPAddress.Parse(destination), Mode = XfrmMode.Tunnel, RequestId = 7 };

    public static string Zeroes(int count) => new('0', count * 2);

    /// <summary>struct xfrm_usersa_info.</summary>
    public static XfrmUserSaInfo Info(uint spi) => new()
    {
        Id = new XfrmId { Destination = XfrmAddress.From(IPAddress.Parse("192.0.2.2")), Spi = NetworkOrder.Swap(spi), Protocol = 50 },
        Source = XfrmAddress.From(IPAddress.Parse("192.0.2.1")),
        Current = new XfrmLifetimeCurrent { Bytes = 1400, Packets = 2, AddTime = 1_700_000_000, UseTime = 1_700_000_001 },
        Limits = new XfrmLifetimeConfig { SoftByteLimit = ulong.MaxValue, HardByteLimit = 1000, SoftPacketLimit = ulong.MaxValue, HardPacketLimit = ulong.MaxValue, SoftAddExpiresSeconds = 60 },
        Stats = new XfrmStats { ReplayWindow = 3, Replay = 4, IntegrityFailed = 5 },
        RequestId = 7,
        Family = XfrmAddress.IPv4,
        Mode = 1,
    };

    public static byte[] SaInfo(uint spi) => Bytes(Info(spi));

    /// <summary>A state as a dump has it, its key included.</summary>
    public static byte[] State(uint spi, byte[] key) =>
    [
        .. SaInfo(spi),
        .. Attribute(XfrmAttribute.AlgAead, [.. "rfc4106(gcm(aes))"u8, .. new byte[47], .. BitConverter.GetBytes(key.Length * 8), .. BitConverter.GetBytes(128), .. key]),
        .. Attribute(XfrmAttribute.ReplayEsnVal, [.. BitConverter.GetBytes(1), .. BitConverter.GetBytes(9), .. BitConverter.GetBytes(8), .. BitConverter.GetBytes(1), .. BitConverter.GetBytes(2), .. BitConverter.GetBytes(32), .. new byte[4]]),
        .. Attribute(XfrmAttribute.Encap, Bytes(new XfrmEncapTemplate { Type = 2, SourcePort = NetworkOrder.Swap((ushort)4500), DestinationPort = NetworkOrder.Swap((ushort)50000) })),
        .. Attribute(XfrmAttribute.SetMark, 0x42, 0, 0, 0),
        .. Attribute(XfrmAttribute.SetMarkMask, 0xff, 0, 0, 0),
        .. Attribute(XfrmAttribute.OffloadDev, 5, 0, 0, 0, 4, 0, 0, 0),
        .. Attribute(XfrmAttribute.IfId, 9, 0, 0, 0),
        .. Attribute(XfrmAttribute.LastUsed, BitConverter.GetBytes(1_700_000_002L)),
        .. Attribute(XfrmAttribute.SaDir, 2),
        .. Attribute(XfrmAttribute.SaPcpu, 3, 0, 0, 0),
    ];

    public static XfrmUserPolicyInfo PolicyInfo { get; } = new()
    {
        Selector = Selector("10.1.0.0", "10.2.0.0", 24),
        Priority = 375_423,
        Index = 0x89,
        Direction = 1,
        Flags = 4,
    };

    public static XfrmSelectorStruct Selector(string source, string destination, byte length) => new()
    {
        Source = XfrmAddress.From(IPAddress.Parse(source)),
        Destination = XfrmAddress.From(IPAddress.Parse(destination)),
        SourcePrefixLength = length,
        DestinationPrefixLength = length,
        Family = XfrmAddress.IPv4,
    };

    public static byte[] TemplateAttribute()
    {
        var template = default(XfrmUserTemplate);
        Template("192.0.2.1", "192.0.2.2").Write(ref template);
        return Attribute(XfrmAttribute.Tmpl, Bytes(template));
    }

    public static byte[] Acquire()
    {
        var acquire = new XfrmUserAcquire
        {
            Id = new XfrmId { Destination = XfrmAddress.From(IPAddress.Parse("192.0.2.2")), Protocol = 50 },
            Source = XfrmAddress.From(IPAddress.Parse("192.0.2.1")),
            Selector = Selector("10.1.0.1", "10.2.0.1", 32) with { Protocol = 1, SourcePort = NetworkOrder.Swap((ushort)8), SourcePortMask = ushort.MaxValue },
            Policy = PolicyInfo,
            Sequence = 77,
        };
        return [.. Bytes(acquire), .. TemplateAttribute(), .. Attribute(XfrmAttribute.Mark, 1, 0, 0, 0, 0xff, 0, 0, 0), .. Attribute(XfrmAttribute.IfId, 9, 0, 0, 0), .. Attribute(XfrmAttribute.SaPcpu, 3, 0, 0, 0)];
    }

    public static byte[] Bytes<T>(T value) where T : unmanaged => MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).ToArray();
}
