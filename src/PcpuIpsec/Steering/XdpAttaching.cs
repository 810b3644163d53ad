using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Bpf;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Host;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Steering;

/// <summary>Puts the program on an interface, finds it there again, and takes it off.</summary>
internal static class XdpAttaching
{
    private const string LargeReceive = "rx-lro", HardwareGro = "rx-gro-hw";

    // The kernel's first with XDP on packets of several buffers, which veth and large MTUs want.
    private static readonly Version _fragmentsSince = new(5, 18);

    public static XdpSteering Attach(string link, XdpSteeringOptions options)
    {
        options.Validate();
        XdpSockets sockets = XdpSockets.Open();
        try
        {
            return Attach(sockets, link, options);
        }
        catch
        {
            sockets.Dispose();
            throw;
        }
    }

    public static XdpSteering? TakeOver(string link)
    {
        XdpSockets sockets = XdpSockets.Open();
        SafeFileHandle? program = null;
        XdpMaps? maps = null;
        try
        {
            (program, XdpMode mode) = FindOurs(sockets, link);
            if (program is not null)
            {
                maps = XdpMaps.TryOpen(program)
                    ?? throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The steering program on {link} is of another version of this software, whose entries cannot be read: detach it and attach anew.");
                maps.Config.TryLookup(0u, out SteeringConfig config);
                return new XdpSteering(link, sockets, mode, program, maps, (int)config.QueueSize, []);
            }
            sockets.Dispose();
            return null;
        }
        catch
        {
            program?.Dispose();
            maps?.Dispose();
            sockets.Dispose();
            throw;
        }
    }

    public static bool DetachFrom(string link)
    {
        using XdpSockets sockets = XdpSockets.Open();
        (SafeFileHandle? program, XdpMode mode) = FindOurs(sockets, link);
        if (program is null)
            return false;
        using (program)
        {
            using XdpMaps? maps = XdpMaps.TryOpen(program);
            Detach(sockets, link, mode, program, maps);
        }
        return true;
    }

    /// <summary>Nothing happens where the interface or the program is gone already.</summary>
    public static void Detach(XdpSockets sockets, string link, XdpMode mode, SafeFileHandle program, XdpMaps? maps)
    {
        if (sockets.Routes.FindXdpLink(link) is not { Programs: [_, ..] } found)
            return;
        using (var held = new HeldHandle(program))
        {
            try
            {
                sockets.Routes.DetachXdp(found.Index, (int)held.Pointer, mode);
            }
            catch (NetlinkException e) when (e.Errno is Libc.EEXIST or Libc.EBUSY)
            {
                throw Occupied(link, found, e);
            }
        }
        if (maps is not null && maps.Config.TryLookup(0u, out SteeringConfig config) && config.TurnedOff != TurnedOff.None)
            TurnOn(sockets.Ethtool, link, config.TurnedOff);
    }

    private static XdpSteering Attach(XdpSockets sockets, string link, XdpSteeringOptions options)
    {
        XdpLink found = Require(sockets, link);
        if (found.HardwareType != XdpLink.Ethernet)
        {
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption,
                $"interface = '{link}': its hardware type is {found.HardwareType}; allowed is {XdpLink.Ethernet} (Ethernet), whose header the program reads.");
        }
        if (found.Programs.Count > 0)
            throw Occupied(link, found);

        Features? before = sockets.Ethtool?.Features(link);
        var warnings = new List<string>();
        List<(XdpMode Mode, bool Fragments)> attempts = Attempts(found, options, warnings);
        for (int i = 0; ; i++)
        {
            (XdpMode mode, bool fragments) = attempts[i];
            try
            {
                return Attach(sockets, link, found, mode, fragments, options, before, warnings);
            }
            catch (NetlinkException e) when (e.Errno is Libc.EEXIST or Libc.EBUSY)
            {
                throw Occupied(link, sockets.Routes.FindXdpLink(link) ?? found, e);
            }
            catch (NetlinkException e) when (i + 1 < attempts.Count && e.Errno is not (Libc.EPERM or Libc.EACCES or Libc.ENODEV))
            {
                // The first reason is the driver's own; it has the same for the second attempt, or a better one.
                if (attempts[i + 1].Mode != mode)
                    warnings.Add($"{link}: generic mode, since the driver refuses the native one: {e.Message}");
            }
        }
    }

    private static XdpSteering Attach(XdpSockets sockets, string link, XdpLink found, XdpMode mode, bool fragments, XdpSteeringOptions options, Features? before, List<string> warnings)
    {
        // A cpumap serves programs of one kind alone, with or without fragments: new ones for each attempt.
        XdpMaps? maps = null;
        SafeFileHandle? program = null;
        try
        {
            maps = XdpMaps.Create(HostCpus.Possible().Max() + 1, options.EntriesAtMost);
            program = XdpProgram.Load(maps, fragments);
            var config = new SteeringConfig { Version = SteeringConfig.CurrentVersion, QueueSize = (uint)options.QueueSize };
            for (int i = 0; i < options.EspUdpPorts.Count; i++)
                config.EspPorts[i] = (ushort)BpfAssembler.Network(options.EspUdpPorts[i]);
            // Written before the kernel does it: whoever detaches, also after we were killed, knows.
            if (mode == XdpMode.Generic && before is not null)
            {
                config.TurnedOff = (Changeable(before, LargeReceive) ? TurnedOff.LargeReceive : 0) | (Changeable(before, HardwareGro) ? TurnedOff.HardwareGro : 0);
                if (config.TurnedOff != TurnedOff.None)
                    warnings.Add($"{link}: the kernel turns {string.Join(" and ", Names(config.TurnedOff))} off for generic mode; detaching turns it on again.");
            }
            maps.Config.Update(0u, config);
            var steering = new XdpSteering(link, sockets, mode, program, maps, options.QueueSize, warnings);
            using (var held = new HeldHandle(program))
                sockets.Routes.AttachXdp(found.Index, (int)held.Pointer, mode);
            if (mode == XdpMode.Native && found.Kind == "veth")
                warnings.Add($"{link}: as long as the program is attached, the other end has no segmentation offload (TSO and the like).");
            return steering;
        }
        catch
        {
            program?.Dispose();
            maps?.Dispose();
            throw;
        }
    }

    private static List<(XdpMode, bool)> Attempts(XdpLink link, XdpSteeringOptions options, List<string> warnings)
    {
        // What comes out of such an interface was never on a wire: its sender left the checksum to hardware that is not there. The kernel
        // knows that of its own packet buffers, and loses it with the conversion to XDP's, so that TCP and UDP fail their checksums.
        bool isSoftware = link.Kind is "veth" or "tun";
        const string Loss = "TCP and UDP that a program on this host sent to it have unfinished checksums, which are lost in native mode";
        if (isSoftware && options.Mode is null)
            warnings.Add($"generic mode, since {Loss} and the packets dropped.");
        else if (isSoftware && options.Mode == XdpMode.Native)
            warnings.Add($"{Loss} and the packets dropped, unless the sending end has tx-checksumming off; ESP has none.");
        var attempts = new List<(XdpMode, bool)>();
        if (options.Mode == XdpMode.Native || (options.Mode is null && !isSoftware))
        {
            if (HostCpus.KernelVersion() >= _fragmentsSince)
                attempts.Add((XdpMode.Native, true));
            attempts.Add((XdpMode.Native, false)); // Some drivers know no packets of several buffers.
        }
        // Generic mode copies a packet for a program that takes several buffers, forgets how long the link's header is in the copy
        // (mac_len; seen up to 6.18), and the cpumap then hands IP an Ethernet header.
        if (options.Mode != XdpMode.Native)
            attempts.Add((XdpMode.Generic, false));
        return attempts;
    }

    private static (SafeFileHandle? Program, XdpMode Mode) FindOurs(XdpSockets sockets, string link)
    {
        foreach (XdpAttachment attachment in Require(sockets, link).Programs)
        {
            if (attachment.Mode is { } mode && BpfProgram.TryOpen(attachment.ProgramId) is { } program)
            {
                if (BpfProgram.Of(program).Name == XdpProgram.Name)
                    return (program, mode);
                program.Dispose();
            }
        }
        return default;
    }

    private static XdpLink Require(XdpSockets sockets, string link)
        => sockets.Routes.FindXdpLink(link) ?? throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"interface = '{link}': there is none of that name in this network namespace.");

    private static PcpuIpsecException Occupied(string link, XdpLink found, Exception? inner = null)
    {
        var names = new List<string>();
        foreach (XdpAttachment attachment in found.Programs)
        {
            using SafeFileHandle? program = BpfProgram.TryOpen(attachment.ProgramId);
            string name = program is null ? "" : $" '{BpfProgram.Of(program).Name}'";
            names.Add($"{name} with id {attachment.ProgramId}".TrimStart());
        }
        string whose = names.Any(n => n.StartsWith($"'{XdpProgram.Name}'", StringComparison.Ordinal)) ? "take it over, or detach it first" : "it is not ours; nothing was changed";
        return new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{link} has an XDP program already, {string.Join(" and ", names)}: {whose}.", inner);
    }

    /// <summary>The kernel takes these features off what was asked for, too: asking again brings them back.</summary>
    private static void TurnOn(EthtoolSocket? ethtool, string link, TurnedOff features)
    {
        if (ethtool?.SetFeatures(link, Names(features).ToDictionary(n => n, _ => true)).Refused is { Count: > 0 } refused)
        {
            throw new PcpuIpsecException(PcpuIpsecError.KernelRefused,
                $"The steering program is off {link}, but what the kernel turned off for it stays off: {string.Join("; ", refused.Select(r => $"{r.Key}: {r.Value}"))}.");
        }
    }

    private static bool Changeable(Features features, string name) => features.Active.Contains(name) && features.Changeable.Contains(name);

    private static IEnumerable<string> Names(TurnedOff features)
    {
        if (features.HasFlag(TurnedOff.LargeReceive))
            yield return LargeReceive;
        if (features.HasFlag(TurnedOff.HardwareGro))
            yield return HardwareGro;
    }
}
