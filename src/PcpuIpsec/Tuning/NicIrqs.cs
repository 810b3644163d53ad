using System.Globalization;
using System.Text.RegularExpressions;

namespace PcpuIpsec.Tuning;

/// <summary>What an IRQ of an interface is for.</summary>
[Flags]
internal enum IrqUse
{
    /// <summary>Not for packets: configuration, errors, links.</summary>
    Other = 0,

    Rx = 1,

    Tx = 2,
}

/// <summary>An IRQ of an interface.</summary>
/// <param name="Number">Its number now; another after the channels change.</param>
/// <param name="Action">What the driver called it.</param>
/// <param name="Use">What it is for.</param>
/// <param name="Queue">The queue; null where it is for none.</param>
internal sealed record NicIrq(int Number, string Action, IrqUse Use, int? Queue);

/// <summary>The IRQs of an interface, by its device in sysfs and the names that drivers give them.</summary>
internal static partial class NicIrqs
{
    private static readonly string[] _notForPackets = ["config", "async", "ctrl", "control", "mgmnt", "mgmt", "admin", "misc", "aux", "adminq", "event", "fdir", "lsc"];

    /// <summary>None where the interface has no device of its own, as a veth.</summary>
    public static IReadOnlyList<NicIrq> Of(HostFiles files, string link)
    {
        List<NicIrq> irqs = [];
        foreach (int number in Numbers(files.OfLink(link)))
        {
            // One that is asked for by nobody has no action.
            if (HostFiles.TryRead(files.Sys($"kernel/irq/{number}/actions")) is { Length: > 0 } action)
                irqs.Add(Read(number, action, link));
        }
        // One alone serves all; beside others it is for the link.
        return irqs is [{ Use: IrqUse.Other } only] && only.Action == link ? [only with { Use = IrqUse.Rx | IrqUse.Tx, Queue = 0 }] : irqs;
    }

    internal static NicIrq Read(int number, string action, string link)
    {
        // What follows an @ is the bus address.
        string name = action.Split('@')[0];
        Match queue = TrailingNumber().Match(name);
        string words = name[..(queue.Success ? queue.Index : name.Length)];
        if (!queue.Success || name == link || _notForPackets.Any(w => LastWord().Match(words).Value.Equals(w, StringComparison.OrdinalIgnoreCase)))
            return new NicIrq(number, action, IrqUse.Other, null);
        IrqUse rx = words.Contains("rx", StringComparison.OrdinalIgnoreCase) || words.Contains("input", StringComparison.Ordinal) ? IrqUse.Rx : 0;
        IrqUse tx = words.Contains("tx", StringComparison.OrdinalIgnoreCase) || words.Contains("output", StringComparison.Ordinal) ? IrqUse.Tx : 0;
        // mlx5_comp3, ntfy-3 and the like: a completion queue of both.
        return new NicIrq(number, action, (rx | tx) == 0 ? IrqUse.Rx | IrqUse.Tx : rx | tx, int.Parse(queue.Value, CultureInfo.InvariantCulture));
    }

    private static IEnumerable<int> Numbers(string link)
    {
        // A link's own links are relative to where it really is.
        string folderOfLink = Directory.Exists(link) ? Directory.ResolveLinkTarget(link, returnFinalTarget: true)?.FullName ?? link : link;
        string device = Path.Combine(folderOfLink, "device");
        if (!Directory.Exists(device))
            yield break;
        // A virtio device's are its PCI device's: one folder up in the tree of devices.
        string real = Directory.ResolveLinkTarget(device, returnFinalTarget: true)?.FullName ?? device;
        string? folder = new[] { real, Path.GetDirectoryName(real) ?? real }.FirstOrDefault(f => Directory.Exists(Path.Combine(f, "msi_irqs")));
        if (folder is null)
        {
            if (int.TryParse(HostFiles.TryRead(Path.Combine(real, "irq")), CultureInfo.InvariantCulture, out int single) && single > 0)
                yield return single;
            yield break;
        }
        foreach (string name in HostFiles.Names(Path.Combine(folder, "msi_irqs")))
            yield return int.Parse(name, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"\d+$")]
    private static partial Regex TrailingNumber();

    [GeneratedRegex(@"[A-Za-z]+(?=[^A-Za-z]*$)")]
    private static partial Regex LastWord();
}
