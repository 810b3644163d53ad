using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Netlink;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>
/// XFRM in memory: keeps policies and states as the kernel does, dumps them back, and writes a journal of what changed them.
/// Its answers are those of kernel 7.2 (net/xfrm/xfrm_user.c, xfrm_state.c).
/// </summary>
internal sealed class FakeXfrm : INetlinkTransport
{
    private const int Enoent = 2, Esrch = 3, Eexist = 17, Eprotonosupport = 93;

    private readonly Queue<byte[]> _answers = new();
    private readonly List<(XfrmPolicy Policy, byte[] Payload)> _policies = [];
    private readonly List<FakeState> _states = [];
    private uint _nextSpi = 0xc0000001, _nextIndex = 8;

    /// <summary>What was asked for and granted, in order: "sa out c0000001 cpu 1".</summary>
    public List<string> Journal { get; } = [];

    /// <summary>The errno that a journal line is refused with; 0 grants it.</summary>
    public Func<string, int> Refuse { get; set; } = _ => 0;

    /// <summary>Places in the table of states. It is doubled as the kernel does it, by a state that is added to a full one.</summary>
    public uint Buckets { get; set; } = 1024;

    public bool Doubles { get; set; } = true;

    public IReadOnlyList<XfrmPolicy> Policies => [.. _policies.Select(p => p.Policy)];

    public IReadOnlyList<FakeState> States => _states;

    /// <summary>Takes the journal and begins it anew.</summary>
    public IReadOnlyList<string> TakeJournal()
    {
        string[] lines = [.. Journal];
        Journal.Clear();
        return lines;
    }

    /// <summary>What a packet leaves behind whose CPU has no SA: a state without SPI and keys.</summary>
    public void AddPlaceholder(uint requestId, uint sequence, int? cpu, string source, string destination, XfrmSelector trigger)
    {
        var info = new XfrmUserSaInfo { Sequence = sequence, RequestId = requestId, Family = XfrmAddress.IPv4, Mode = 1, Source = XfrmAddress.From(IPAddress.Parse(source)) };
        info.Id.Destination = XfrmAddress.From(IPAddress.Parse(destination));
        info.Id.Protocol = XfrmSocket.Esp;
        trigger.Write(ref info.Selector);
        byte[] attributes = cpu is { } number ? [.. FakeKernel.Attribute(XfrmAttribute.SaPcpu, BitConverter.GetBytes(number))] : [];
        _states.Add(new FakeState([.. XfrmSamples.Bytes(info), .. attributes], 0));
    }

    /// <summary>The kernel took a state away by itself.</summary>
    public void Lose(uint spi) => _states.RemoveAll(s => s.State.Spi == spi);

    /// <summary>Somebody else took policies away.</summary>
    public void LosePolicies(Predicate<XfrmPolicy> which) => _policies.RemoveAll(p => which(p.Policy));

    /// <summary>Packets and bytes that a state is to have carried.</summary>
    public void Count(uint spi, ulong packets, ulong bytes)
    {
        FakeState state = _states.Single(s => s.State.Spi == spi);
        ref XfrmUserSaInfo info = ref MemoryMarshal.AsRef<XfrmUserSaInfo>(state.Payload.AsSpan());
        (info.Current.Packets, info.Current.Bytes) = (packets, bytes);
    }

    public int Send(ReadOnlySpan<byte> datagram)
    {
        byte[] request = datagram.ToArray();
        NetlinkHeader header = MemoryMarshal.Read<NetlinkHeader>(request);
        byte[] payload = request[NetlinkHeader.Size..(int)header.Length];
        int errno = header.Type switch
        {
            XfrmMessageType.NewPolicy or XfrmMessageType.UpdPolicy => PutPolicy(header.Type, payload),
            XfrmMessageType.DelPolicy => DeletePolicy(payload),
            XfrmMessageType.GetPolicy => Dump(request, XfrmMessageType.NewPolicy, _policies.Select(p => p.Payload)),
            XfrmMessageType.NewSa or XfrmMessageType.UpdSa => PutState(header.Type, payload),
            XfrmMessageType.DelSa => DeleteState(payload),
            XfrmMessageType.AllocSpi => AllocateSpi(request, payload),
            XfrmMessageType.GetSa when header.Flags.HasFlag(NetlinkFlags.Dump) => Dump(request, XfrmMessageType.NewSa, _states.Select(s => s.Payload)),
            XfrmMessageType.GetSa => GetState(request, payload),
            XfrmMessageType.GetSadInfo => TableOfStates(request),
            _ => throw new InvalidOperationException($"message type {header.Type} is not one of the plane's"),
        };
        _answers.Enqueue(header.Flags.HasFlag(NetlinkFlags.Dump) ? FakeKernel.Done(request).Datagram : FakeKernel.Ack(request, errno).Datagram);
        return 0;
    }

    public int Receive(Span<byte> buffer, out int length)
    {
        byte[] answer = _answers.Dequeue();
        answer.CopyTo(buffer);
        length = answer.Length;
        return 0;
    }

    public void Dispose()
    {
    }

    private int Granted(string line, Action action)
    {
        int errno = Refuse(line);
        if (errno != 0)
            return errno;
        Journal.Add(line);
        action();
        return 0;
    }

    private int PutPolicy(ushort type, byte[] payload)
    {
        ref XfrmUserPolicyInfo info = ref MemoryMarshal.AsRef<XfrmUserPolicyInfo>(payload.AsSpan());
        if (info.Index == 0)
            info.Index = (_nextIndex += 8) + info.Direction;
        XfrmPolicy policy = XfrmSocket.ParsePolicy(type, payload)!;
        int there = _policies.FindIndex(p => SamePolicy(p.Policy, policy));
        if (there >= 0 && type == XfrmMessageType.NewPolicy)
            return Eexist;
        return Granted($"policy {Text(policy)}", () =>
        {
            if (there >= 0)
                _policies[there] = (policy, payload);
            else
                _policies.Add((policy, payload));
        });
    }

    private int DeletePolicy(byte[] payload)
    {
        XfrmUserPolicyId id = XfrmSocket.Read<XfrmUserPolicyId>(XfrmMessageType.DelPolicy, payload, out NetlinkAttributes attributes);
        uint interfaceId = 0;
        foreach (NetlinkAttribute attribute in attributes)
            interfaceId = attribute.Type == XfrmAttribute.IfId ? attribute.U32 : interfaceId;
        int there = _policies.FindIndex(p => id.Index != 0
            ? p.Policy.Index == id.Index
            : p.Policy.Direction == (XfrmPolicyDirection)id.Direction && p.Policy.InterfaceId == interfaceId && p.Policy.Selector == XfrmSelector.Require(id.Selector));
        return there < 0 ? Enoent : Granted($"del policy {Text(_policies[there].Policy)}", () => _policies.RemoveAt(there));
    }

    private int PutState(ushort type, byte[] payload)
    {
        ulong addedAt = 0;
        _ = XfrmSocket.Read<XfrmUserSaInfo>(type, payload, out NetlinkAttributes attributes);
        foreach (NetlinkAttribute attribute in attributes)
        {
            if (attribute.Type == XfrmAttribute.LtimeVal)
                addedAt = attribute.Read<XfrmLifetimeCurrent>().AddTime;
        }
        MemoryMarshal.AsRef<XfrmUserSaInfo>(payload.AsSpan()).Current.AddTime = addedAt;
        var added = new FakeState(payload, addedAt);
        XfrmState state = added.State;
        // __xfrm_init_state: "Only tunnel modes can accommodate a change of family".
        if (state is { Mode: XfrmMode.Transport, Selector.Family: var family } && family != XfrmAddress.FamilyOf(state.Destination))
            return Eprotonosupport;
        int there = _states.FindIndex(s => s.State.Id == state.Id);
        if (there < 0 && type == XfrmMessageType.UpdSa)
            return Esrch;
        if (there >= 0 && type == XfrmMessageType.NewSa)
            return Eexist;
        string line = $"{(type == XfrmMessageType.NewSa ? "add" : "update")} sa {Text(state)}{(addedAt == 0 ? "" : $" added at {addedAt} s")}";
        return Granted(line, () =>
        {
            if (there >= 0)
            {
                _states[there] = added;
                return;
            }
            // xfrm_state_add: the new state takes the place of one placeholder that waits for such as it.
            int waiting = _states.FindIndex(s => s.State.Spi == 0 && s.State.RequestId == state.RequestId && s.State.Cpu == state.Cpu && s.State.Destination.Equals(state.Destination));
            if (waiting >= 0)
                _states.RemoveAt(waiting);
            _states.Add(added);
        });
    }

    private int DeleteState(byte[] payload)
    {
        XfrmUserSaId id = MemoryMarshal.Read<XfrmUserSaId>(payload);
        int there = Find(id);
        return there < 0 ? Esrch : Granted($"del sa {NetworkOrder.Swap(id.Spi):x8}", () => _states.RemoveAt(there));
    }

    private int GetState(byte[] request, byte[] payload)
    {
        int there = Find(MemoryMarshal.Read<XfrmUserSaId>(payload));
        if (there < 0)
            return Esrch;
        _answers.Enqueue(FakeKernel.Message(request, XfrmMessageType.NewSa, 0, _states[there].Payload));
        return 0;
    }

    private int TableOfStates(byte[] request)
    {
        byte[] count = FakeKernel.Attribute(XfrmInfoAttribute.SadCount, BitConverter.GetBytes((uint)_states.Count));
        byte[] table = FakeKernel.Attribute(XfrmInfoAttribute.SadHashInfo, XfrmSamples.Bytes(new XfrmSadHashInfo { Buckets = Buckets, BucketsAtMost = 1 << 20 }));
        _answers.Enqueue(FakeKernel.Message(request, XfrmMessageType.NewSadInfo, 0, [.. new byte[4], .. count, .. table]));
        return 0;
    }

    private int AllocateSpi(byte[] request, byte[] payload)
    {
        // Cut: the range stands between the state and the attributes.
        int info = Unsafe.SizeOf<XfrmUserSaInfo>();
        byte[] state = [.. payload[..info], .. payload[Unsafe.SizeOf<XfrmUserSpiInfo>()..]];
        XfrmState wanted = XfrmSocket.ParseState(XfrmMessageType.NewSa, state)!.State;
        int there = wanted.Sequence == 0 ? -1 : _states.FindIndex(s => s.State.Spi == 0 && s.State.Sequence == wanted.Sequence && s.State.Cpu == wanted.Cpu);
        byte[] given = there >= 0 ? _states[there].Payload : state;
        string line = there >= 0 ? $"spi for the placeholder {wanted.Sequence}" : $"spi {_nextSpi:x8}";
        return Granted(line, () =>
        {
            MemoryMarshal.AsRef<XfrmUserSaInfo>(given.AsSpan()).Id.Spi = NetworkOrder.Swap(_nextSpi++);
            if (there < 0)
                _states.Add(new FakeState(given, 0));
            if (Doubles && _states.Count >= Buckets)
                Buckets *= 2;
            _answers.Enqueue(FakeKernel.Message(request, XfrmMessageType.NewSa, 0, given));
        });
    }

    private int Dump(byte[] request, ushort type, IEnumerable<byte[]> payloads)
    {
        foreach (byte[] payload in payloads)
            _answers.Enqueue(FakeKernel.Message(request, type, NetlinkFlags.Multi, payload));
        return 0;
    }

    private int Find(XfrmUserSaId id) => _states.FindIndex(s => s.State.Spi == NetworkOrder.Swap(id.Spi) && s.State.Destination.Equals(id.Destination.ToAddress(id.Family)));

    private static bool SamePolicy(XfrmPolicy one, XfrmPolicy other)
        => one.Selector == other.Selector && one.Direction == other.Direction && one.InterfaceId == other.InterfaceId && one.Mark == other.Mark;

    private static string Text(XfrmPolicy policy)
        => $"{XfrmPolicy.Text(policy.Direction)} {policy.Selector}{(policy.InterfaceId == 0 ? "" : $" if_id {policy.InterfaceId}")}{(policy.Flags == XfrmPolicyFlags.CpuAcquire ? " by cpu" : "")}{(policy.Action == XfrmPolicyAction.Block ? " block" : policy.Templates.Count == 0 ? " pass" : "")}";

    private static string Text(XfrmState state)
        => $"{state.Direction?.ToString().ToLowerInvariant() ?? "any"} {state.Spi:x8}{(state.Cpu is { } cpu ? $" cpu {cpu}" : "")}{(state.InterfaceId == 0 ? "" : $" if_id {state.InterfaceId}")}";

    /// <summary>A state as it was put, and the time that XFRMA_LTIME_VAL gave it.</summary>
    internal sealed record FakeState(byte[] Payload, ulong AddedAt)
    {
        public XfrmState State => XfrmSocket.ParseState(XfrmMessageType.NewSa, Payload)!.State;
    }
}
