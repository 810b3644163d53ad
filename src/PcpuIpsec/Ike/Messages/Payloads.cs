using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Messages;

/// <summary>One payload of a message, decoded (RFC 7296 §3.2). Byte arrays are owned by the payload.</summary>
internal abstract record Payload(PayloadType Type);

/// <summary>Security Association (RFC 7296 §3.3).</summary>
internal sealed record SaPayload(IReadOnlyList<Proposal> Proposals) : Payload(PayloadType.SA);

/// <summary>Key Exchange (RFC 7296 §3.4).</summary>
internal sealed record KePayload(KeyExchangeMethod Method, byte[] Data) : Payload(PayloadType.KE);

/// <summary>Identification, IDi or IDr (RFC 7296 §3.5).</summary>
internal sealed record IdPayload(PayloadType Type, IkeIdentity Identity) : Payload(Type);

/// <summary>Authentication (RFC 7296 §3.8).</summary>
internal sealed record AuthPayload(AuthMethod Method, byte[] Data) : Payload(PayloadType.AUTH);

/// <summary>Nonce, 16 to 256 bytes (RFC 7296 §3.9).</summary>
internal sealed record NoncePayload(byte[] Data) : Payload(PayloadType.Nonce);

/// <summary>Notify (RFC 7296 §3.10).</summary>
internal sealed record NotifyPayload(NotifyType Notify, ProtocolId Protocol, byte[] Spi, byte[] Data) : Payload(PayloadType.N)
{
    public NotifyPayload(NotifyType notify, byte[]? data = null)
        : this(notify, ProtocolId.None, [], data ?? []) { }
}

/// <summary>Delete (RFC 7296 §3.11); no SPIs when the protocol is IKE.</summary>
internal sealed record DeletePayload(ProtocolId Protocol, IReadOnlyList<uint> Spis) : Payload(PayloadType.D);

/// <summary>Vendor ID (RFC 7296 §3.12).</summary>
internal sealed record VendorIdPayload(byte[] Data) : Payload(PayloadType.V);

/// <summary>Traffic Selector, TSi or TSr (RFC 7296 §3.13).</summary>
internal sealed record TsPayload(PayloadType Type, IReadOnlyList<TrafficSelector> Selectors) : Payload(Type);

/// <summary>A payload that this implementation does not interpret; kept so that a critical one can be refused by type.</summary>
internal sealed record OpaquePayload(PayloadType Type, bool Critical, byte[] Data) : Payload(Type);
