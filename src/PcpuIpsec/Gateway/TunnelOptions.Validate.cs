using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Gateway;

public sealed partial record TunnelOptions
{
    /// <summary>Longest pre-shared key in bytes.</summary>
    internal const int MaxKeyLength = 4096;

    private const int MaxNameLength = 64;
    private const int MaxSelectors = 64;
    private const int MaxChildSasLimit = 2 * CpuList.Limit;
    private static readonly TimeSpan _second = TimeSpan.FromSeconds(1);

    /// <summary>Checks every field and translates the options for the protocol and the data plane.</summary>
    /// <param name="onlineCpus">The host's CPUs that are online.</param>
    /// <param name="planeCpus">The CPUs that the data plane works on.</param>
    /// <exception cref="PcpuIpsecException">Names the first field that is wrong, its value and what is allowed.</exception>
    internal ValidatedTunnel Validate(IReadOnlyList<int> onlineCpus, IReadOnlyList<int> planeCpus)
    {
        CheckName();
        CheckAddresses();
        CheckPorts();
        CheckNumbers();
        if (!Enum.IsDefined(StartAction))
            throw Bad(nameof(StartAction), StartAction, OneOf<StartAction>());
        if (!Enum.IsDefined(Mode))
            throw Bad(nameof(Mode), Mode, OneOf<IpsecMode>());

        IReadOnlyList<TrafficSelector> local = Selectors(LocalSelectors, nameof(LocalSelectors), LocalAddress, nameof(LocalAddress));
        IReadOnlyList<TrafficSelector> remote = Selectors(RemoteSelectors, nameof(RemoteSelectors), RemoteAddress, nameof(RemoteAddress));
        if (!local.Any(l => remote.Any(r => r.IsIPv6 == l.IsIPv6)))
            throw Bad($"{Words.Name(nameof(RemoteSelectors))}: '{string.Join(", ", RemoteSelectors)}' has no address family in common with {Words.Name(nameof(LocalSelectors))} '{string.Join(", ", LocalSelectors)}'; allowed are selectors of the same family");

        IReadOnlyList<SelectorPair> bypass = Exceptions(Bypass, nameof(Bypass), local, remote), discard = Exceptions(Discard, nameof(Discard), local, remote);
        CheckExceptions(bypass);
        IReadOnlyList<CipherSuite> esp = EspTransforms();
        IReadOnlyList<int> cpus = PerCpuList(onlineCpus, planeCpus);
        var connection = new IkeConnection
        {
            Name = Name,
            LocalAddress = LocalAddress,
            RemoteAddress = RemoteAddress,
            IkePort = IkePort,
            NatTraversalPort = NatTraversalPort,
            LocalId = Identity(LocalId ?? LocalAddress.ToString(), nameof(LocalId)),
            RemoteId = Identity(RemoteId ?? RemoteAddress.ToString(), nameof(RemoteId)),
            IkeSuites = Suites(IkeSuites, nameof(IkeSuites), CipherSuite.ParseIke, CipherSuite.DefaultIke),
            EspSuites = esp,
            LocalSelectors = local,
            RemoteSelectors = remote,
            Mode = Mode,
            ForceEncapsulation = ForceEncapsulation || PerCpu is { SourcePortPerSa: true },
            PerCpu = PerCpu is not null,
            Cpus = cpus,
            OnDemand = PerCpu?.OnDemand ?? false,
            MaxChildSas = PerCpu?.MaxChildSas ?? 2 * Math.Max(cpus.Count, 1),
            IdleTime = PerCpu?.IdleTime,
            SourcePortPerSa = PerCpu?.SourcePortPerSa ?? false,
            WindowSize = WindowSize,
            ReplayWindow = ReplayWindow,
            ChildLifetime = Lifetime(),
            ChildRekeyTime = ChildRekeyTime,
            IkeRekeyTime = IkeRekeyTime,
            LivenessInterval = LivenessInterval,
            RetransmitInitial = RetransmitInitial,
            RetransmitFactor = RetransmitFactor,
            RetransmitGiveUp = RetransmitGiveUp,
        };
        var policy = new TrafficPolicy
        {
            Connection = Name,
            Mode = Mode,
            LocalSelectors = local,
            RemoteSelectors = remote,
            LocalAddress = LocalAddress,
            RemoteAddress = RemoteAddress,
            PerCpu = connection.PerCpu,
            PerCpuSasAtMost = connection.PerCpu ? connection.MaxChildSas : 0,
            AcquirePerCpu = connection.OnDemand,
            Interface = RoutedInterface(local, remote),
            Bypass = bypass,
            Discard = discard,
            Mss = SegmentSize(remote),
        };
        // Last, so that nothing above has to dispose it.
        return new ValidatedTunnel(connection, policy, Key(), StartAction, RemoteId ?? RemoteAddress.ToString(), Warnings(esp)) { Words = Words };
    }

    private void CheckName()
    {
        if (Name is not { Length: >= 1 and <= MaxNameLength } || !Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw Bad(nameof(Name), Name, $"1 to {MaxNameLength} of letters, digits, '-', '_' and '.'");
        // In a path of the daemon's API they mean something else.
        if (Name is "." or "..")
            throw Bad(nameof(Name), Name, "a name other than '.' and '..'");
    }

    private void CheckAddresses()
    {
        CheckAddress(LocalAddress, nameof(LocalAddress));
        CheckAddress(RemoteAddress, nameof(RemoteAddress));
        if (RemoteAddress.AddressFamily != LocalAddress.AddressFamily)
            throw Bad(nameof(RemoteAddress), RemoteAddress, $"an address of the same family as {Words.Name(nameof(LocalAddress))} {LocalAddress}");
        if (RemoteAddress.Equals(LocalAddress))
            throw Bad(nameof(RemoteAddress), RemoteAddress, $"an address other than {Words.Name(nameof(LocalAddress))}");
    }

    private void CheckAddress(IPAddress address, string field)
    {
        bool unicast = address is not null
            && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any) && !address.Equals(IPAddress.Broadcast)
            && !address.IsIPv6Multicast && !address.IsIPv4MappedToIPv6
            && !(address.AddressFamily == AddressFamily.InterNetwork && address.GetAddressBytes()[0] is >= 224 and <= 239);
        if (!unicast)
            throw Bad(field, address, "a unicast IPv4 or IPv6 address");
    }

    private void CheckPorts()
    {
        InRange(IkePort, 1, ushort.MaxValue, nameof(IkePort));
        InRange(NatTraversalPort, 1, ushort.MaxValue, nameof(NatTraversalPort));
        if (NatTraversalPort == IkePort)
            throw Bad(nameof(NatTraversalPort), NatTraversalPort, $"a port other than {Words.Name(nameof(IkePort))}, since its datagrams carry a marker that those do not");
    }

    private void CheckNumbers()
    {
        InRange(WindowSize, 1, 256, nameof(WindowSize));
        InRange(ReplayWindow, 64, 4096, nameof(ReplayWindow));
        InRange(ChildRekeyTime, _second, TimeSpan.FromDays(365), nameof(ChildRekeyTime));
        InRange(ChildLifeTime, _second, TimeSpan.FromDays(400), nameof(ChildLifeTime));
        InRange(IkeRekeyTime, _second, TimeSpan.FromDays(365), nameof(IkeRekeyTime));
        InRange(PerCpu?.IdleTime, TimeSpan.FromSeconds(5), TimeSpan.FromDays(1), nameof(PerCpu) + "." + nameof(PerCpuOptions.IdleTime));
        InRange(LivenessInterval, _second, TimeSpan.FromDays(1), nameof(LivenessInterval));
        InRange(RetransmitInitial, TimeSpan.FromMilliseconds(10), TimeSpan.FromSeconds(60), nameof(RetransmitInitial));
        InRange(RetransmitGiveUp, _second, TimeSpan.FromHours(1), nameof(RetransmitGiveUp));
        if (!(RetransmitFactor is >= 1 and <= 10))
            throw Bad(nameof(RetransmitFactor), RetransmitFactor, "1 to 10");
        if (RetransmitGiveUp <= RetransmitInitial)
            throw Bad(nameof(RetransmitGiveUp), RetransmitGiveUp, $"longer than {Words.Name(nameof(RetransmitInitial))} {Words.Value(RetransmitInitial)}");
        Above(ChildLifeTime, ChildRekeyTime, nameof(ChildLifeTime), nameof(ChildRekeyTime));
        Above(ChildLifeBytes, ChildRekeyBytes, nameof(ChildLifeBytes), nameof(ChildRekeyBytes));
        Above(ChildLifePackets, ChildRekeyPackets, nameof(ChildLifePackets), nameof(ChildRekeyPackets));
        NotZero(ChildRekeyBytes, nameof(ChildRekeyBytes));
        NotZero(ChildLifeBytes, nameof(ChildLifeBytes));
        NotZero(ChildRekeyPackets, nameof(ChildRekeyPackets));
        NotZero(ChildLifePackets, nameof(ChildLifePackets));
    }

    private IReadOnlyList<TrafficSelector> Selectors(IReadOnlyList<SelectorOption> options, string field, IPAddress address, string addressField)
    {
        TrafficSelector self = Parsed(address.ToString(), field, TrafficSelector.Parse);
        if (options is null || options.Count > MaxSelectors)
            throw Bad(field, $"{options?.Count} selectors", $"0 to {MaxSelectors}");
        if (options.Count == 0)
            return [self];
        var selectors = new TrafficSelector[options.Count];
        for (int i = 0; i < selectors.Length; i++)
        {
            selectors[i] = options[i].Selector ?? Parsed(options[i].ToString(), $"{field}[{i}]", TrafficSelector.Parse);
            // RFC 7296 §1.3.1: transport mode is between the hosts themselves.
            if (Mode == IpsecMode.Transport && (selectors[i].IsIPv6 != self.IsIPv6 || selectors[i].Start != self.Start || selectors[i].End != self.End))
                throw Bad($"{field}[{i}]", options[i], $"{Words.Name(addressField)} {address} itself, since the mode is {Words.Value(Mode)}");
        }
        return selectors;
    }

    private IReadOnlyList<CipherSuite> Suites(IReadOnlyList<string> keywords, string field, Func<string, CipherSuite> parse, IReadOnlyList<CipherSuite> otherwise)
        => keywords is null ? throw Bad(field, null, "a list of suites, or an empty one for the default")
            : keywords.Count == 0 ? otherwise
            : [.. keywords.Select((text, i) => Parsed(text, $"{field}[{i}]", parse))];

    private IReadOnlyList<CipherSuite> EspTransforms()
    {
        IReadOnlyList<CipherSuite> suites = Suites(EspSuites, nameof(EspSuites), CipherSuite.ParseEsp, CipherSuite.DefaultEsp);
        if (Esn is not { } esn)
            return suites;
        var transform = new Transform(TransformType.ESN, (ushort)(esn ? ExtendedSequenceNumbers.Yes : ExtendedSequenceNumbers.No));
        return [.. suites.Select(s => new CipherSuite([.. s.Transforms.Where(t => t.Type != TransformType.ESN), transform]))];
    }

    private IReadOnlyList<int> PerCpuList(IReadOnlyList<int> onlineCpus, IReadOnlyList<int> planeCpus)
    {
        if (PerCpu is null)
            return [];
        const string Field = nameof(PerCpu) + "." + nameof(PerCpuOptions.Cpus);
        if (PerCpu.MaxChildSas is { } most)
            InRange(most, 1, MaxChildSasLimit, nameof(PerCpu) + "." + nameof(PerCpuOptions.MaxChildSas));
        if (PerCpu.Cpus is not { } cpus)
            return planeCpus;
        if (cpus.Count == 0)
            throw Bad($"{Words.Name(Field)}: an empty list; allowed are one or more of {CpuList.Format(planeCpus)}, or null for all of them");
        foreach (int cpu in cpus)
        {
            if (!onlineCpus.Contains(cpu))
                throw Bad($"{Words.Name(Field)}: CPU {cpu} is not online; online are {CpuList.Format(onlineCpus)}");
            if (!planeCpus.Contains(cpu))
                throw Bad($"{Words.Name(Field)}: CPU {cpu} is none of the data plane's; those are {CpuList.Format(planeCpus)}");
        }
        return cpus.Distinct().Count() == cpus.Count ? [.. cpus.Order()]
            : throw Bad($"{Words.Name(Field)}: {string.Join(',', cpus)} names a CPU twice; allowed is each once");
    }

    private SaLifetime Lifetime() => new(
        SoftBytes: ChildRekeyBytes,
        HardBytes: ChildLifeBytes,
        SoftPackets: ChildRekeyPackets,
        HardPackets: ChildLifePackets,
        HardTime: ChildLifeTime ?? (ChildRekeyTime is { } rekey ? (rekey * 1.1) + RetransmitGiveUp : null));

    private Secret Key()
    {
        if ((PreSharedKey is null) == (PreSharedKeyFile is null))
            throw Bad(nameof(PreSharedKey), PreSharedKey is null ? "none" : $"given beside {Words.Name(nameof(PreSharedKeyFile))}", $"either {Words.Name(nameof(PreSharedKey))} or {Words.Name(nameof(PreSharedKeyFile))}");
        if (PreSharedKeyFile is { } path)
            return Gateway.PreSharedKeyFile.Read(path, Words.Name(nameof(PreSharedKeyFile)));
        if (PreSharedKey!.Length is 0 or > MaxKeyLength)
            throw Bad(nameof(PreSharedKey), $"{PreSharedKey.Length} bytes", $"1 to {MaxKeyLength} bytes");
        return Secret.CopyOf(PreSharedKey.Span);
    }

    private IReadOnlyList<string> Warnings(IReadOnlyList<CipherSuite> esp)
        => esp.Any(s => s.Transforms.Contains(new Transform(TransformType.ENCR, (ushort)EncryptionAlgorithm.ENCR_NULL)))
            ? [$"{Words.Name(nameof(EspSuites))}: '{string.Join(", ", EspSuites)}' has a suite with ENCR_NULL: packets are authenticated and NOT encrypted; for measurements only"]
            : [];

    private IkeIdentity Identity(string text, string field) => Parsed(text, field, IkeIdentity.Parse);

    private T Parsed<T>(string text, string field, Func<string, T> parse)
    {
        try
        {
            return parse(text);
        }
        catch (PcpuIpsecException e)
        {
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{Words.Name(field)}: {e.Message}", e);
        }
    }

    private void InRange<T>(T value, T least, T most, string field)
        where T : struct, IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
            throw Bad(field, value, $"{Words.Value(least)} to {Words.Value(most)}");
    }

    private void InRange(TimeSpan? value, TimeSpan least, TimeSpan most, string field)
    {
        if (value is { } given)
            InRange<TimeSpan>(given, least, most, field);
    }

    private void Above<T>(T? upper, T? lower, string upperField, string lowerField)
        where T : struct, IComparable<T>
    {
        if (upper is { } u && lower is { } l && u.CompareTo(l) <= 0)
            throw Bad(upperField, u, $"more than {Words.Name(lowerField)} {Words.Value(l)}");
    }

    private void NotZero(ulong? value, string field)
    {
        if (value == 0)
            throw Bad(field, 0, "1 and more, or null for never");
    }

    private string OneOf<T>()
        where T : struct, Enum
        => string.Join(" or ", Enum.GetValues<T>().Select(v => Words.Value(v)));

    private PcpuIpsecException Bad(string field, object? value, string allowed) => Bad($"{Words.Name(field)}: '{Words.Value(value)}' is not allowed; allowed: {allowed}");

    private static PcpuIpsecException Bad(string message) => new(PcpuIpsecError.InvalidOption, message);
}
