using System.Net;

namespace PcpuIpsec.Ike;

/// <summary>What the gateway's owner asks of the protocol.</summary>
internal abstract record IkeCommand : IkeEvent;

/// <summary>Make a connection known: from now its peer is answered.</summary>
internal sealed record AddConnection(IkeConnection Connection) : IkeCommand;

/// <summary>Initiate a connection that was added (RFC 7296 §1.2).</summary>
internal sealed record InitiateConnection(string Connection) : IkeCommand;

/// <summary>Delete a connection's IKE SA; the connection goes on answering where <see cref="Forget"/> is false.</summary>
internal sealed record CloseConnection(string Connection, bool Forget) : IkeCommand;

/// <summary>Rekey one Child SA (RFC 7296 §2.8), bound to another CPU where one is given.</summary>
internal sealed record RekeyChild(string Connection, int Number, int? NewCpu = null) : IkeCommand;

/// <summary>Delete one Child SA (RFC 7296 §1.4.1).</summary>
internal sealed record CloseChild(string Connection, int Number) : IkeCommand;

/// <summary>Rekey the IKE SA (RFC 7296 §2.18).</summary>
internal sealed record RekeyIke(string Connection) : IkeCommand;

/// <summary>Ask the peer whether it lives (RFC 7296 §1.4).</summary>
internal sealed record CheckLiveness(string Connection) : IkeCommand;

/// <summary>A CPU went offline or came online.</summary>
internal sealed record CpuChanged(int Cpu, bool Online) : IkeCommand;

/// <summary>A CPU without an SA of its own sends, or one that is not known where there is no SA at all (from the data plane).</summary>
internal sealed record Acquire(string Connection, int? Cpu, TrafficSelector TriggerLocal, TrafficSelector TriggerRemote) : IkeCommand;

/// <summary>The first authentic packet of an inbound SA arrived (from the data plane).</summary>
internal sealed record InboundTraffic(uint Spi) : IkeCommand;

/// <summary>A lifetime was reached (from the data plane). Outbound SPIs are the peers' choice: two may have chosen the same.</summary>
internal sealed record LifetimeReached(SaDirection Direction, uint Spi, IPAddress Destination, bool Hard) : IkeCommand;

/// <summary>Authentic ESP comes from another address or port than before (from the data plane).</summary>
internal sealed record PeerSeen(uint Spi, IPEndPoint Remote) : IkeCommand;
