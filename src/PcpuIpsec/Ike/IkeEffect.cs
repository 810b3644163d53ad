using System.Net;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike;

/// <summary>What the protocol wants done in the world. The edge does it, in the order given.</summary>
internal abstract record IkeEffect;

/// <summary>Send one IKE message. The edge puts the non-ESP marker before it where the local port is the one for NAT traversal (RFC 7296 §2.23).</summary>
internal sealed record SendDatagram(IPEndPoint Local, IPEndPoint Remote, ReadOnlyMemory<byte> Message) : IkeEffect;

/// <summary>An effect that is answered by an <see cref="IkeCompletion"/> with the same id, exactly once.</summary>
internal abstract record IkeRequest(long Id) : IkeEffect;

/// <summary>Answered by <see cref="KeyPairGenerated"/>.</summary>
internal sealed record GenerateKeyPair(long Id, KeyExchangeMethod Method) : IkeRequest(Id);

/// <summary>Answered by <see cref="SharedSecretDerived"/>, or by <see cref="RequestFailed"/> where the peer's value is invalid. The key pair stays the protocol's to dispose.</summary>
internal sealed record DeriveSharedSecret(long Id, KeyPair KeyPair, byte[] PeerPublicValue) : IkeRequest(Id);

/// <summary>Compute our AUTH over the signed octets (RFC 7296 §2.15). Answered by <see cref="AuthSigned"/>.</summary>
internal sealed record SignAuth(long Id, string Connection, PseudorandomFunction Prf, byte[] SignedOctets) : IkeRequest(Id);

/// <summary>Check the peer's AUTH over its signed octets (RFC 7296 §2.15). Answered by <see cref="AuthVerified"/>.</summary>
internal sealed record VerifyAuth(long Id, string Connection, IkeIdentity PeerIdentity, AuthMethod Method, byte[] Data, PseudorandomFunction Prf, byte[] SignedOctets) : IkeRequest(Id);

/// <summary>Reserve an inbound SPI for a Child SA, for a CPU where one is given. Answered by <see cref="SpiReserved"/>.</summary>
internal sealed record ReserveSpi(long Id, string Connection, int? Cpu, IPAddress Local, IPAddress Remote) : IkeRequest(Id);

/// <summary>Install one direction of a Child SA. Answered by <see cref="SaInstalled"/>. The data plane copies the keys; the protocol disposes them after the answer.</summary>
internal sealed record InstallSa(long Id, SaInstallation Sa) : IkeRequest(Id);

/// <summary>Give up an inbound SPI that was reserved and never installed.</summary>
internal sealed record ReleaseSpi(uint Spi, IPAddress Local, IPAddress Remote) : IkeEffect;

/// <summary>Remove one direction of a Child SA. An unknown SPI is not an error.</summary>
internal sealed record RemoveSa(string Connection, SaDirection Direction, uint Spi, IPAddress Destination) : IkeEffect;

/// <summary>An installed SA's peer has moved (RFC 7296 §2.23). Answered by <see cref="SaUpdated"/>, or by <see cref="RequestFailed"/> where the data plane cannot do it in place.</summary>
internal sealed record UpdateSaRemote(long Id, SaDirection Direction, uint Spi, IPEndPoint OldRemote, IPEndPoint NewRemote) : IkeRequest(Id);

/// <summary>Whether CPUs without an SA of their own raise acquires; where not, those that were raised are forgotten.</summary>
internal sealed record AllowAcquires(string Connection, bool Allowed) : IkeEffect;

/// <summary>Say what a connection's SAs have carried. Answered by <see cref="SaUsageRead"/>.</summary>
internal sealed record ReadSaUsage(long Id, string Connection) : IkeRequest(Id);

/// <summary>An IKE SA has its keys. Only where the connection says that they are exported; the protocol keeps and disposes them.</summary>
internal sealed record ExportIkeKeys(ulong SpiI, ulong SpiR, IkeSaKeys Keys) : IkeEffect;

/// <summary>Something happened that the gateway, its log or its owner wants to know.</summary>
internal sealed record Report(IkeNotice Notice) : IkeEffect;

/// <summary>What the world tells the protocol.</summary>
internal abstract record IkeEvent;

/// <summary>A datagram arrived, the non-ESP marker already taken off.</summary>
internal sealed record DatagramReceived(IPEndPoint Local, IPEndPoint Remote, byte[] Message) : IkeEvent;

/// <summary>Time has passed; nothing else happened.</summary>
internal sealed record TimePassed : IkeEvent;

/// <summary>The answer to an <see cref="IkeRequest"/>. Answers to requests that were given up are ignored, their secrets disposed.</summary>
internal abstract record IkeCompletion(long Id) : IkeEvent;

/// <summary>Answers <see cref="GenerateKeyPair"/>.</summary>
internal sealed record KeyPairGenerated(long Id, KeyPair KeyPair) : IkeCompletion(Id);

/// <summary>Answers <see cref="DeriveSharedSecret"/>.</summary>
internal sealed record SharedSecretDerived(long Id, Secret Secret) : IkeCompletion(Id);

/// <summary>Answers <see cref="SignAuth"/>.</summary>
internal sealed record AuthSigned(long Id, AuthMethod Method, byte[] Data) : IkeCompletion(Id);

/// <summary>Answers <see cref="VerifyAuth"/>.</summary>
internal sealed record AuthVerified(long Id, bool Valid) : IkeCompletion(Id);

/// <summary>Answers <see cref="ReserveSpi"/>.</summary>
internal sealed record SpiReserved(long Id, uint Spi) : IkeCompletion(Id);

/// <summary>Answers <see cref="InstallSa"/>.</summary>
internal sealed record SaInstalled(long Id) : IkeCompletion(Id);

/// <summary>Answers <see cref="UpdateSaRemote"/>.</summary>
internal sealed record SaUpdated(long Id) : IkeCompletion(Id);

/// <summary>Answers <see cref="ReadSaUsage"/>.</summary>
internal sealed record SaUsageRead(long Id, IReadOnlyList<SaUsage> Usage) : IkeCompletion(Id);

/// <summary>The packets that one installed SA has carried.</summary>
internal readonly record struct SaUsage(SaDirection Direction, uint Spi, long Packets);

/// <summary>Any request failed; the text says why, for the log and the error (never key material).</summary>
internal sealed record RequestFailed(long Id, string Reason) : IkeCompletion(Id);
