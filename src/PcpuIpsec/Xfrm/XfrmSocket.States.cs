using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

internal sealed partial class XfrmSocket
{
    /// <summary>XFRMA_REPLAY_ESN_MAX, in packets.</summary>
    private const int ReplayWindowAtMost = 4096;

    /// <summary>What the older form of the replay window holds, in packets.</summary>
    private const int LegacyReplayWindow = 32;

    /// <summary>Reserves an inbound SPI: a state without keys, which an update completes and net.core.xfrm_acq_expires ends.</summary>
    /// <param name="state">Addresses, mode, request id, direction, mark and interface id count; the SPI does not.</param>
    /// <param name="minimum">The least SPI, at least 256 (RFC 4303 §2.1).</param>
    /// <param name="maximum">The greatest SPI.</param>
    public uint AllocateSpi(XfrmState state, uint minimum = 256, uint maximum = uint.MaxValue)
    {
        using NetlinkRequest request = SpiRequest(state, minimum, maximum);
        string operation = $"allocate an SPI from {minimum:x8} to {maximum:x8} to {state.Destination}";
        return socket.Get(operation, request, ParseState)?.State.Spi ?? throw new NetlinkException(operation, Libc.ENOENT, "the kernel named none");
    }

    /// <summary>Adds a state: outbound, or inbound under an SPI of one's own choice.</summary>
    public void AddState(XfrmState state, ChosenSuite suite, ReadOnlySpan<byte> encryptionKey, ReadOnlySpan<byte> integrityKey)
        => PutState("add", XfrmMessageType.NewSa, state, suite, encryptionKey, integrityKey);

    /// <summary>
    /// Completes the state of an allocated SPI. On a complete state the kernel takes lifetimes, encapsulation and little
    /// more: it answers success to another CPU and leaves the binding as it was.
    /// </summary>
    public void UpdateState(XfrmState state, ChosenSuite suite, ReadOnlySpan<byte> encryptionKey, ReadOnlySpan<byte> integrityKey)
        => PutState("update", XfrmMessageType.UpdSa, state, suite, encryptionKey, integrityKey);

    /// <summary>Deletes a state; false where there is none such.</summary>
    public bool DeleteState(XfrmStateId id)
    {
        using NetlinkRequest request = IdRequest(XfrmMessageType.DelSa, id);
        return Succeeds($"delete {id}", request, Libc.ESRCH);
    }

    /// <summary>One state; null where there is none such.</summary>
    public XfrmInstalledState? FindState(XfrmStateId id)
    {
        using NetlinkRequest request = IdRequest(XfrmMessageType.GetSa, id);
        try
        {
            return socket.Get($"get {id}", request, ParseState);
        }
        catch (NetlinkException e) when (e.Errno == Libc.ESRCH)
        {
            return null;
        }
    }

    /// <summary>All states of a protocol in the namespace, those without keys included.</summary>
    public List<XfrmInstalledState> States(byte protocol = Esp)
    {
        using var request = new NetlinkRequest(XfrmMessageType.GetSa, NetlinkFlags.None);
        request.U8(XfrmAttribute.Proto, protocol);
        return socket.Dump("list states", request, ParseState);
    }

    /// <summary>Deletes all states of a protocol in the namespace, whosever they are.</summary>
    public void FlushStates(byte protocol = Esp)
    {
        using var request = new NetlinkRequest(XfrmMessageType.FlushSa, NetlinkFlags.None);
        request.Struct<XfrmUserSaFlush>().Protocol = protocol;
        socket.Execute("flush states", request);
    }

    internal static XfrmInstalledState? ParseState(ushort type, ReadOnlySpan<byte> payload)
        => type is XfrmMessageType.NewSa or XfrmMessageType.UpdSa
            ? XfrmStateDecoder.Decode(Read<XfrmUserSaInfo>(type, payload, out NetlinkAttributes attributes), attributes)
            : null;

    private static NetlinkRequest SpiRequest(XfrmState state, uint minimum, uint maximum)
    {
        var request = new NetlinkRequest(XfrmMessageType.AllocSpi, NetlinkFlags.None);
        ref XfrmUserSpiInfo info = ref request.Struct<XfrmUserSpiInfo>();
        info.Info.Id.Destination = XfrmAddress.From(state.Destination);
        info.Info.Id.Protocol = state.Protocol;
        info.Info.Source = XfrmAddress.From(state.Source);
        info.Info.RequestId = state.RequestId;
        info.Info.Sequence = state.Sequence;
        info.Info.Family = FamilyOf(state);
        info.Info.Mode = (byte)state.Mode;
        info.Minimum = minimum;
        info.Maximum = maximum;
        WriteMark(ref request, state.Mark);
        WriteInterfaceId(ref request, state.InterfaceId);
        if (state.Direction is { } direction)
            request.U8(XfrmAttribute.SaDir, (byte)direction);
        // Only to find the placeholder of that CPU's acquire, which has no direction: reserved SPIs have a direction and no CPU.
        if (state is { Cpu: { } cpu, Direction: null })
            request.U32(XfrmAttribute.SaPcpu, (uint)cpu);
        return request;
    }

    private void PutState(string verb, ushort type, XfrmState state, ChosenSuite suite, ReadOnlySpan<byte> encryptionKey, ReadOnlySpan<byte> integrityKey)
    {
        Validate(state);
        var request = new NetlinkRequest(type, NetlinkFlags.None);
        try
        {
            WriteInfo(ref request, state);
            XfrmAlgorithms.Write(ref request, suite, encryptionKey, integrityKey);
            WriteAttributes(ref request, state);
            socket.Execute($"{verb} {state.Id} with {suite}", request);
        }
        catch (NetlinkException e) when (e.Errno is Libc.EPROTONOSUPPORT or Libc.ENOSYS)
        {
            throw XfrmSupport.Explain(e, state, suite);
        }
        finally
        {
            request.Dispose();
        }
    }

    private static void WriteInfo(ref NetlinkRequest request, XfrmState state)
    {
        ref XfrmUserSaInfo info = ref request.Struct<XfrmUserSaInfo>();
        state.Selector?.Write(ref info.Selector);
        info.Id.Destination = XfrmAddress.From(state.Destination);
        info.Id.Spi = NetworkOrder.Swap(state.Spi);
        info.Id.Protocol = state.Protocol;
        info.Source = XfrmAddress.From(state.Source);
        state.Limits.Write(ref info.Limits);
        info.Sequence = state.Sequence;
        info.RequestId = state.RequestId;
        info.Family = FamilyOf(state);
        info.Mode = (byte)state.Mode;
        info.ReplayWindow = NeedsEsnReplay(state) ? (byte)0 : (byte)state.ReplayWindow;
        info.Flags = (byte)state.Flags;
    }

    private static void WriteAttributes(ref NetlinkRequest request, XfrmState state)
    {
        if (NeedsEsnReplay(state))
        {
            // The bitmap's words follow, all zeroes: nothing was received yet.
            int words = (state.ReplayWindow + 31) / 32;
            Span<byte> space = request.Space(XfrmAttribute.ReplayEsnVal, Unsafe.SizeOf<XfrmReplayStateEsn>() + (words * sizeof(uint)));
            ref XfrmReplayStateEsn replay = ref MemoryMarshal.AsRef<XfrmReplayStateEsn>(space);
            replay.BitmapLength = (uint)words;
            replay.ReplayWindow = (uint)state.ReplayWindow;
        }
        if (state.Encapsulation is { } encapsulation)
        {
            request.StructAttribute(XfrmAttribute.Encap, new XfrmEncapTemplate
            {
                Type = encapsulation.Type,
                SourcePort = NetworkOrder.Swap(encapsulation.SourcePort),
                DestinationPort = NetworkOrder.Swap(encapsulation.DestinationPort),
            });
        }
        WriteMark(ref request, state.Mark);
        if (state.ExtraFlags != 0)
            request.U32(XfrmAttribute.SaExtraFlags, (uint)state.ExtraFlags);
        if (state.Offload is { } offload)
        {
            XfrmOffloadFlags flags = (offload.Packet ? XfrmOffloadFlags.Packet : 0) | (state.Direction == XfrmSaDirection.In ? XfrmOffloadFlags.Inbound : 0);
            request.StructAttribute(XfrmAttribute.OffloadDev, new XfrmUserOffload { InterfaceIndex = offload.InterfaceIndex, Flags = (byte)flags });
        }
        if (state.OutputMark is { } output)
        {
            request.U32(XfrmAttribute.SetMark, output.Value);
            request.U32(XfrmAttribute.SetMarkMask, output.Mask);
        }
        WriteInterfaceId(ref request, state.InterfaceId);
        if (state.MappingThreshold is { } threshold)
            request.U32(XfrmAttribute.MtimerThresh, threshold);
        if (state.Direction is { } direction)
            request.U8(XfrmAttribute.SaDir, (byte)direction);
        if (state.NatKeepaliveInterval is { } interval)
            request.U32(XfrmAttribute.NatKeepaliveInterval, interval);
        if (state.Cpu is { } cpu)
            request.U32(XfrmAttribute.SaPcpu, (uint)cpu);
        if (state.AddedAt is { } added)
            request.StructAttribute(XfrmAttribute.LtimeVal, new XfrmLifetimeCurrent { AddTime = (ulong)added.ToUnixTimeSeconds() });
    }

    private static bool NeedsEsnReplay(XfrmState state) => state.IsEsn || state.ReplayWindow > LegacyReplayWindow;

    private static ushort FamilyOf(XfrmState state)
    {
        ushort family = XfrmAddress.FamilyOf(state.Destination);
        return XfrmAddress.FamilyOf(state.Source) == family
            ? family
            : throw Invalid(state, $"addresses = {state.Source} and {state.Destination}", "two of one family");
    }

    /// <summary>What kernels answer with an odd errno, or take without a word.</summary>
    private static void Validate(XfrmState state)
    {
        if (state.ReplayWindow is < 0 or > ReplayWindowAtMost)
            throw Invalid(state, $"replay window = {state.ReplayWindow}", $"0 to {ReplayWindowAtMost}");
        if (state.ReplayWindow == 0 && state.IsEsn && state.Direction != XfrmSaDirection.Out)
            throw Invalid(state, "replay window = 0 with extended sequence numbers", "1 at least, unless the direction is out");
        if (state.Cpu is { } cpu && (cpu < 0 || state.Direction is null))
            throw Invalid(state, $"CPU = {cpu}{(state.Direction is null ? " without a direction" : "")}", "a CPU's number, with a direction");
        if (state.Offload is not null && state.Direction is null)
            throw Invalid(state, "offload without a direction", "offload with a direction");
    }

    private static PcpuIpsecException Invalid(XfrmState state, string what, string allowed)
        => new(PcpuIpsecError.InvalidOption, $"{state.Id}: {what}: allowed are {allowed}.");

    private static NetlinkRequest IdRequest(ushort type, XfrmStateId id)
    {
        var request = new NetlinkRequest(type, NetlinkFlags.None);
        ref XfrmUserSaId sa = ref request.Struct<XfrmUserSaId>();
        sa.Destination = XfrmAddress.From(id.Destination);
        sa.Spi = NetworkOrder.Swap(id.Spi);
        sa.Family = XfrmAddress.FamilyOf(id.Destination);
        sa.Protocol = id.Protocol;
        WriteMark(ref request, id.Mark);
        return request;
    }

    /// <summary>False where the kernel answers that there is no such thing.</summary>
    private bool Succeeds(string operation, scoped in NetlinkRequest request, int absent)
    {
        try
        {
            socket.Execute(operation, request);
            return true;
        }
        catch (NetlinkException e) when (e.Errno == absent)
        {
            return false;
        }
    }
}
