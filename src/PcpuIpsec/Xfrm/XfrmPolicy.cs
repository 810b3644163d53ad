using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>What a packet that matches a policy must be wrapped in, or must have come in (struct xfrm_user_tmpl).</summary>
internal sealed record XfrmTemplate
{
    /// <summary>Outer addresses; those of tunnels. Any (all zeroes) with transport mode, where the packet's own count.</summary>
    public required IPAddress Source { get; init; }

    public required IPAddress Destination { get; init; }

    public byte Protocol { get; init; } = XfrmSocket.Esp;

    /// <summary>0 is any.</summary>
    public uint Spi { get; init; }

    public required XfrmMode Mode { get; init; }

    /// <summary>Only states with this request id serve the template; 0 is any.</summary>
    public uint RequestId { get; init; }

    /// <summary>Inbound: what comes without it is taken too.</summary>
    public bool Optional { get; init; }

    internal void Write(ref XfrmUserTemplate template)
    {
        template.Id.Destination = XfrmAddress.From(Destination);
        template.Id.Spi = NetworkOrder.Swap(Spi);
        template.Id.Protocol = Protocol;
        template.Family = XfrmAddress.FamilyOf(Destination);
        template.Source = XfrmAddress.From(Source);
        template.RequestId = RequestId;
        template.Mode = (byte)Mode;
        template.Optional = Optional ? (byte)1 : (byte)0;
        // Any algorithm: the negotiation chose, and an AEAD has no bit here.
        template.AuthenticationAlgorithms = template.EncryptionAlgorithms = template.CompressionAlgorithms = uint.MaxValue;
    }

    internal static IReadOnlyList<XfrmTemplate> ReadAll(ReadOnlySpan<byte> payload)
    {
        if (payload.Length % Unsafe.SizeOf<XfrmUserTemplate>() != 0)
            throw NetlinkAttributes.Malformed(XfrmAttribute.Tmpl, payload.Length);
        var templates = new List<XfrmTemplate>(1);
        foreach (ref readonly XfrmUserTemplate template in MemoryMarshal.Cast<byte, XfrmUserTemplate>(payload))
        {
            templates.Add(new XfrmTemplate
            {
                Source = template.Source.ToAddress(template.Family),
                Destination = template.Id.Destination.ToAddress(template.Family),
                Protocol = template.Id.Protocol,
                Spi = NetworkOrder.Swap(template.Id.Spi),
                Mode = (XfrmMode)template.Mode,
                RequestId = template.RequestId,
                Optional = template.Optional != 0,
            });
        }
        return templates;
    }
}

/// <summary>A value and the bits of it that count (struct xfrm_mark).</summary>
internal readonly record struct XfrmMark(uint Value, uint Mask = uint.MaxValue);

/// <summary>A policy (struct xfrm_userpolicy_info): which packets go through IPsec, in clear, or nowhere.</summary>
internal sealed record XfrmPolicy
{
    public required XfrmSelector Selector { get; init; }
    public required XfrmPolicyDirection Direction { get; init; }

    /// <summary>Lower wins; see <see cref="XfrmPriority"/>.</summary>
    public required uint Priority { get; init; }

    public XfrmPolicyAction Action { get; init; } = XfrmPolicyAction.Allow;
    public XfrmPolicyFlags Flags { get; init; }

    /// <summary>None lets packets pass in clear, where the action is to allow.</summary>
    public IReadOnlyList<XfrmTemplate> Templates { get; init; } = [];

    /// <summary>Identifies the policy within its namespace; 0 when adding leaves the number to the kernel.</summary>
    public uint Index { get; init; }

    public XfrmMark? Mark { get; init; }

    /// <summary>The XFRM interface that it belongs to; 0 is none.</summary>
    public uint InterfaceId { get; init; }

    public XfrmLimits Limits { get; init; } = XfrmLimits.None;

    /// <summary>As the kernel has it; nothing when adding.</summary>
    public XfrmCounters Counters { get; init; }

    public string Describe() => $"{Text(Direction)} policy {Selector}{(InterfaceId == 0 ? "" : $" if_id {InterfaceId}")}";

    internal static string Text(XfrmPolicyDirection direction) => direction switch
    {
        XfrmPolicyDirection.In => "in",
        XfrmPolicyDirection.Out => "out",
        XfrmPolicyDirection.Forward => "fwd",
        XfrmPolicyDirection.SocketIn => "socket in",
        XfrmPolicyDirection.SocketOut => "socket out",
        _ => $"direction {(byte)direction}",
    };
}
