using System.Net;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Auth;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>A gateway's core with a data plane that only remembers, in virtual time.</summary>
internal sealed class SimulatedHost
{
    private readonly Simulation _simulation;
    private readonly HashSet<uint> _spis = [];
    private readonly HashSet<string> _keys = [];
    private readonly List<SaInstallation> _left = [];
    private int _epoch;

    public SimulatedHost(Simulation simulation, string name, string address, int seed)
    {
        (_simulation, Name, Address, Random) = (simulation, name, IPAddress.Parse(address), new SeededRandom(seed));
        Core = new GatewayCore(Random, Limits);
    }

    public CoreLimits Limits { get; init; } = new();
    public string Name { get; }
    public IPAddress Address { get; }
    public SeededRandom Random { get; }
    public GatewayCore Core { get; private set; }
    public string Psk { get; set; } = "a secret that both know";

    /// <summary>What it signs with, where that is another than it verifies with.</summary>
    public string? SigningPsk { get; set; }

    public int ReservedSpis => _spis.Count;

    public string State => Connection.State;

    /// <summary>What the data plane holds, newest last.</summary>
    public List<SaInstallation> Installed { get; } = [];
    public List<(TimeSpan At, IkeNotice Notice)> Notices { get; } = [];
    public HashSet<string> FailRequests { get; } = [];
    public int Sent { get; private set; }
    public List<string> KeyReuse { get; } = [];

    /// <summary>What the data plane's SAs have carried; a test counts it up.</summary>
    public Dictionary<(SaDirection Direction, uint Spi), long> Packets { get; } = [];
    public bool? AcquiresAllowed { get; private set; }

    public IEnumerable<T> Noticed<T>()
        where T : IkeNotice => Notices.Select(n => n.Notice).OfType<T>();

    public ConnectionSnapshot Connection => Core.Snapshot()[0];

    public IReadOnlyList<ChildSaInfo> Children => Connection.Children;

    public IEnumerable<SaInstallation> Outbound => Installed.Where(s => s.Direction == SaDirection.Outbound);

    /// <summary>What a CPU's packets go out with: the newest that is bound so.</summary>
    public SaInstallation? OutboundOf(int? cpu) => Outbound.LastOrDefault(s => s.Cpu == cpu);

    public IEnumerable<SaInstallation> Inbound => Installed.Where(s => s.Direction == SaDirection.Inbound);

    /// <summary>The process dies and starts anew with nothing but its options; the data plane's SAs go with it.</summary>
    public void Restart()
    {
        _epoch++;
        Installed.Clear();
        Core = new GatewayCore(Random, Limits);
    }

    /// <summary>
    /// The process dies and starts anew; the SAs stay in the kernel. As the kernel data plane does it, they go when there is an
    /// outbound SA of the new process, the inbound ones 10 s later.
    /// </summary>
    public void RestartBesideItsKernel()
    {
        _epoch++;
        _left.AddRange(Installed);
        Core = new GatewayCore(Random, Limits);
    }

    private void ReplaceLeft()
    {
        if (_left.Count == 0)
            return;
        SaInstallation[] left = [.. _left];
        _left.Clear();
        Installed.RemoveAll(s => s.Direction == SaDirection.Outbound && left.Contains(s));
        _simulation.After(TimeSpan.FromSeconds(10), () => Installed.RemoveAll(left.Contains));
    }

    public void Process(IkeEvent e)
    {
        List<IkeEffect> effects = [];
        Core.Process(e, _simulation.Now, effects);
        foreach (IkeEffect effect in effects)
            Do(effect);
    }

    /// <summary>Authenticates anew beside the IKE SA that is there, as strongSwan does by default: make before break.</summary>
    public void Reauthenticate()
    {
        List<IkeEffect> effects = [];
        IkeEngine engine = Core.Engine;
        IkeConnection connection = engine.Find("lab")!.Connection;
        engine.Runtime.Begin(_simulation.Now, effects);
        IkeSa sa = new(engine, connection, isInitiator: true, engine.NewSpi(), 0, new(connection.LocalAddress, 500), new(connection.RemoteAddress, 500));
        engine.Register(sa);
        IkeRuntime.Run(IkeEngine.Connect(sa));
        foreach (IkeEffect effect in effects)
            Do(effect);
    }

    private void Do(IkeEffect effect)
    {
        switch (effect)
        {
            case SendDatagram send:
                Sent++;
                _simulation.Send(this, send);
                break;
            case Report report:
                Notices.Add((_simulation.Now, report.Notice));
                break;
            case RemoveSa remove:
                Installed.RemoveAll(s => s.Direction == remove.Direction && s.Spi == remove.Spi);
                if (remove.Direction == SaDirection.Inbound)
                    _spis.Remove(remove.Spi);
                break;
            case AllowAcquires allow:
                AcquiresAllowed = allow.Allowed;
                break;
            case ReleaseSpi release:
                _spis.Remove(release.Spi);
                break;
            case IkeRequest request:
                int epoch = _epoch;
                IkeCompletion completion = Answer(request);
                _simulation.After(_simulation.RequestDelay(), () =>
                {
                    if (epoch == _epoch)
                        Process(completion);
                });
                break;
        }
    }

    private IkeCompletion Answer(IkeRequest request)
    {
        if (FailRequests.Contains(request.GetType().Name))
            return new RequestFailed(request.Id, $"{request.GetType().Name} was made to fail");
        try
        {
            return request switch
            {
                GenerateKeyPair g => new KeyPairGenerated(g.Id, KeyExchanges.Generate(g.Method)),
                DeriveSharedSecret d => new SharedSecretDerived(d.Id, d.KeyPair.Derive(d.PeerPublicValue)),
                SignAuth s => new AuthSigned(s.Id, AuthMethod.Shared_Key_Message_Integrity_Code, PreSharedKey.Compute(s.Prf, Secret(SigningPsk ?? Psk), s.SignedOctets)),
                VerifyAuth v => new AuthVerified(v.Id, v.Method == AuthMethod.Shared_Key_Message_Integrity_Code && PreSharedKey.Verify(v.Prf, Secret(Psk), v.SignedOctets, v.Data)),
                ReserveSpi r => new SpiReserved(r.Id, NewSpi()),
                InstallSa i => Install(i),
                UpdateSaRemote u => Update(u),
                ReadSaUsage u => new SaUsageRead(u.Id, [.. Installed.Select(sa => new SaUsage(sa.Direction, sa.Spi, Packets.GetValueOrDefault((sa.Direction, sa.Spi))))]),
                _ => throw new InvalidOperationException(request.GetType().Name),
            };
        }
        catch (Exception e) when (e is PcpuIpsecException or ObjectDisposedException)
        {
            // Also one that was given up since, its keys disposed.
            return new RequestFailed(request.Id, e.Message);
        }
    }

    private static Secret Secret(string text) => PcpuIpsec.Secret.CopyOf(System.Text.Encoding.ASCII.GetBytes(text));

    private uint NewSpi()
    {
        uint spi;
        do
            spi = BitConverter.ToUInt32(Random.Bytes(4));
        while (spi < 256 || !_spis.Add(spi));
        return spi;
    }

    private SaUpdated Update(UpdateSaRemote update)
    {
        SaInstallation sa = Installed.Single(s => s.Direction == update.Direction && s.Spi == update.Spi);
        bool outbound = update.Direction == SaDirection.Outbound;
        Assert.Equal(update.OldRemote, new IPEndPoint(outbound ? sa.Destination : sa.Source, outbound ? sa.Encapsulation!.DestinationPort : update.OldRemote.Port));
        UdpEncapsulation encapsulation = sa.Encapsulation!;
        Installed[Installed.IndexOf(sa)] = outbound
            ? sa with { Destination = update.NewRemote.Address, Encapsulation = encapsulation with { DestinationPort = (ushort)update.NewRemote.Port } }
            : sa with { Source = update.NewRemote.Address, Encapsulation = encapsulation.SourcePort == 0 ? encapsulation : encapsulation with { SourcePort = (ushort)update.NewRemote.Port } };
        return new SaUpdated(update.Id);
    }

    private SaInstalled Install(InstallSa install)
    {
        // Copies, as a data plane does: the protocol disposes its own.
        SaInstallation sa = install.Sa with { EncryptionKey = PcpuIpsec.Secret.CopyOf(install.Sa.EncryptionKey.Span), IntegrityKey = PcpuIpsec.Secret.CopyOf(install.Sa.IntegrityKey.Span) };
        if (sa.Direction == SaDirection.Outbound && !_keys.Add(Convert.ToHexString(sa.EncryptionKey.Span) + Convert.ToHexString(sa.IntegrityKey.Span)))
            KeyReuse.Add($"{sa.Spi:x8}");
        if (sa.Direction == SaDirection.Outbound)
            ReplaceLeft();
        Installed.Add(sa);
        return new SaInstalled(install.Id);
    }
}

/// <summary>Randomness from a seed.</summary>
internal sealed class SeededRandom(int seed) : IRandomSource
{
    private readonly Random _random = new(seed);

    public void Fill(Span<byte> destination) => _random.NextBytes(destination);

    public byte[] Bytes(int length)
    {
        byte[] bytes = new byte[length];
        _random.NextBytes(bytes);
        return bytes;
    }
}
