using System.Runtime.InteropServices;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Ethtool;

/// <summary>ntuple: the NIC sends packets of a flow to a queue.</summary>
internal sealed partial class EthtoolSocket
{
    // struct ethtool_rxnfc: cmd, flow_type, data (u64), fs (struct ethtool_rx_flow_spec), rule_cnt or rss_context, rule_locs
    private const int ClassificationSize = 192, FlowTypeAt = 4, DataAt = 8, SpecAt = 16, LocationAt = SpecAt + FlowRule.LocationAt,
        RuleCountAt = 184, RuleLocationsAt = 188;

    private const int RuleAttempts = 8;

    /// <summary>All rules; null where the driver has none, and none can be made. Some drivers have them only once <see cref="Ethtool.Features.Ntuple"/> is on.</summary>
    public FlowRuleTable? Rules(string link)
    {
        for (int attempt = 1; attempt <= RuleAttempts; attempt++)
        {
            byte[] count = Classification(EthtoolCommand.GetRuleCount);
            if (!Ask(link, "number of rules", count))
                return null;
            uint rules = MemoryMarshal.Read<uint>(count.AsSpan(RuleCountAt));
            ulong data = MemoryMarshal.Read<ulong>(count.AsSpan(DataAt));
            if (ReadRules(link, rules) is not (var table, var capacity))
                continue;
            // Not every driver tells the size with the number, but each with the list.
            int size = (int)(data & ~(ulong)FlowRule.SpecialLocation) is > 0 and var told ? told : capacity;
            return new FlowRuleTable(size, (data & FlowRule.SpecialLocation) != 0, table);
        }
        throw new EthtoolException("get rules", link, Libc.EAGAIN, $"they changed during each of {RuleAttempts} attempts");
    }

    /// <summary>
    /// ETHTOOL_SRXCLSRLINS. At a location that has a rule it takes that one's place. For <see cref="FlowRule.AnyLocation"/> the driver chooses
    /// where it can, else it is the lowest free one, which comes before all higher ones.
    /// </summary>
    /// <returns>Where it is.</returns>
    public uint InsertRule(string link, FlowRule rule)
    {
        string operation = $"insert the rule {rule.Describe()}";
        if (rule.Location >= FlowRule.SpecialLocation && Rules(link) is { TakesSpecialLocations: false } table)
        {
            if (rule.Location != FlowRule.AnyLocation)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"location = 0x{rule.Location:x}: {link} takes numbers only.");
            rule = rule.At(table.FreeLocation() ?? throw new EthtoolException(operation, link, Libc.ENOSPC, $"all {table.Capacity} locations are taken"));
        }
        byte[] command = Classification(EthtoolCommand.InsertRule);
        rule.Spec.CopyTo(command.AsSpan(SpecAt));
        MemoryMarshal.Write(command.AsSpan(RuleCountAt), rule.RssContext);
        Do(link, operation, command);
        return MemoryMarshal.Read<uint>(command.AsSpan(LocationAt));
    }

    /// <summary>ETHTOOL_SRXCLSRLDEL.</summary>
    public void DeleteRule(string link, uint location)
    {
        byte[] command = Classification(EthtoolCommand.DeleteRule);
        MemoryMarshal.Write(command.AsSpan(LocationAt), location);
        Do(link, $"delete the rule at location {location}", command);
    }

    /// <summary>ETHTOOL_GRXCLSRLALL and ETHTOOL_GRXCLSRULE; null where they changed under way.</summary>
    private (SortedDictionary<uint, FlowRule> Rules, int Capacity)? ReadRules(string link, uint count)
    {
        // The kernel writes the structure with its padding, and the locations from within that on.
        byte[] list = new byte[ClassificationSize + ((int)count * sizeof(uint))];
        MemoryMarshal.Write(list, EthtoolCommand.GetAllRules);
        MemoryMarshal.Write(list.AsSpan(RuleCountAt), count);
        CheckName(link);
        switch (control.Control(link, list))
        {
            case 0: break;
            case Libc.EMSGSIZE: return null; // There are more by now.
            case var errno: throw Refused("list rules", link, errno);
        }
        var rules = new SortedDictionary<uint, FlowRule>();
        int there = (int)uint.Min(count, MemoryMarshal.Read<uint>(list.AsSpan(RuleCountAt)));
        foreach (uint location in MemoryMarshal.Cast<byte, uint>(list.AsSpan(RuleLocationsAt, there * sizeof(uint))))
        {
            byte[] one = Classification(EthtoolCommand.GetRule);
            MemoryMarshal.Write(one.AsSpan(LocationAt), location);
            switch (control.Control(link, one))
            {
                case 0: break;
                case Libc.ENOENT or Libc.EINVAL: return null; // It is gone.
                case var errno: throw Refused($"get the rule at location {location}", link, errno);
            }
            rules[location] = FlowRule.Read(one.AsSpan(SpecAt, FlowRule.Size), MemoryMarshal.Read<uint>(one.AsSpan(RuleCountAt))).At(location);
        }
        return (rules, (int)(MemoryMarshal.Read<ulong>(list.AsSpan(DataAt)) & ~(ulong)FlowRule.SpecialLocation));
    }

    private static byte[] Classification(uint command)
    {
        byte[] bytes = new byte[ClassificationSize];
        MemoryMarshal.Write(bytes, command);
        return bytes;
    }
}
