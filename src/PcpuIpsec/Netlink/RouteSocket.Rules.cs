using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Netlink;

internal sealed partial class RouteSocket
{
    /// <summary>Adds a rule; the same one again is an error (EEXIST).</summary>
    public void AddRule(Rule rule) => ChangeRule("add", RouteMessageType.NewRule, NetlinkFlags.Create | NetlinkFlags.Exclusive, rule);

    /// <summary>Deletes the first rule with these properties.</summary>
    public void DeleteRule(Rule rule) => ChangeRule("delete", RouteMessageType.DelRule, NetlinkFlags.None, rule);

    /// <summary>Deletes a rule; false where there is none such.</summary>
    public bool TryDeleteRule(Rule rule)
    {
        try
        {
            DeleteRule(rule);
            return true;
        }
        catch (NetlinkException e) when (e.Errno is Libc.ENOENT or Libc.ESRCH)
        {
            return false;
        }
    }

    /// <summary>The rules of both families in the order in which the kernel looks at them.</summary>
    public List<Rule> Rules()
    {
        var all = new List<Rule>();
        foreach (byte family in (ReadOnlySpan<byte>)[AfInet, AfInet6])
        {
            using var request = new NetlinkRequest(RouteMessageType.GetRule, NetlinkFlags.None);
            request.Struct(new RuleMessage { Family = family });
            all.AddRange(socket.Dump("list rules", request, ParseRule));
        }
        return all;
    }

    private void ChangeRule(string verb, ushort type, NetlinkFlags flags, Rule rule)
    {
        byte family = Family(rule.Family);
        CheckFamily(rule, rule.From, "From");
        CheckFamily(rule, rule.To, "To");
        // The kernel keeps the table of a rule that refuses and does not look at it: it can say whose the rule is.
        bool hasTable = rule.Action == RuleAction.ToTable || (rule.Action is not (RuleAction.Goto or RuleAction.Nop) && rule.Table != Route.MainTable);
        using var request = new NetlinkRequest(type, flags);
        request.Struct(new RuleMessage
        {
            Family = family,
            DestinationLength = (byte)(rule.To?.PrefixLength ?? 0),
            SourceLength = (byte)(rule.From?.PrefixLength ?? 0),
            Table = !hasTable ? (byte)0 : rule.Table < 256 ? (byte)rule.Table : TableCompat,
            Action = (byte)rule.Action,
            Flags = rule.Invert ? RuleAttribute.Invert : 0,
        });
        if (rule.To is { PrefixLength: > 0 } to)
            request.Address(RuleAttribute.Destination, to.BaseAddress);
        if (rule.From is { PrefixLength: > 0 } from)
            request.Address(RuleAttribute.Source, from.BaseAddress);
        if (rule.InputInterface is { } input)
            request.String(RuleAttribute.InputInterface, CheckName(input));
        if (rule.OutputInterface is { } output)
            request.String(RuleAttribute.OutputInterface, CheckName(output));
        request.U32(RuleAttribute.Priority, rule.Priority);
        if (rule.Target is { } target)
            request.U32(RuleAttribute.Goto, target);
        if (rule.Mark is { } mark)
            request.U32(RuleAttribute.Mark, mark);
        if (rule.MarkMask is { } mask)
            request.U32(RuleAttribute.Mask, mask);
        if (hasTable)
            request.U32(RuleAttribute.Table, rule.Table);
        if (rule.SuppressPrefixLength is { } suppressed)
            request.U32(RuleAttribute.SuppressPrefixLength, (uint)suppressed);
        request.U8(RuleAttribute.Protocol, rule.Protocol);
        if (rule.IpProtocol is { } protocol)
            request.U8(RuleAttribute.IpProtocol, protocol);
        if (rule.SourcePorts is { } source)
            request.StructAttribute(RuleAttribute.SourcePorts, new RulePortRange { Start = source.First, End = source.Last });
        if (rule.DestinationPorts is { } destination)
            request.StructAttribute(RuleAttribute.DestinationPorts, new RulePortRange { Start = destination.First, End = destination.Last });
        socket.Execute($"{verb} rule {rule.Priority} to table {rule.Table}", request);
    }

    private static void CheckFamily(Rule rule, IPNetwork? prefix, string field)
    {
        if (prefix is { } network && network.BaseAddress.AddressFamily != rule.Family)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"rule {rule.Priority}, {field} = {network}: allowed are prefixes of the family {rule.Family}.");
    }

    private static Rule? ParseRule(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type != RouteMessageType.NewRule)
            return null;
        RuleMessage header = Read<RuleMessage>(type, payload, out NetlinkAttributes attributes);
        if (header.Family is not (AfInet or AfInet6))
            return null;
        // The main and local rules are told without these; 0 is their value.
        uint table = header.Table, priority = 0;
        byte protocol = 0;
        byte? ipProtocol = null;
        uint? mark = null, mask = null, target = null;
        IPNetwork? from = null, to = null;
        string? input = null, output = null;
        int? suppressed = null;
        (ushort, ushort)? sourcePorts = null, destinationPorts = null;
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case RuleAttribute.Destination: to = new IPNetwork(attribute.Address, header.DestinationLength); break;
                case RuleAttribute.Source: from = new IPNetwork(attribute.Address, header.SourceLength); break;
                case RuleAttribute.InputInterface: input = attribute.String; break;
                case RuleAttribute.OutputInterface: output = attribute.String; break;
                case RuleAttribute.Priority: priority = attribute.U32; break;
                case RuleAttribute.Goto: target = attribute.U32; break;
                case RuleAttribute.Mark: mark = attribute.U32; break;
                case RuleAttribute.Mask: mask = attribute.U32; break;
                case RuleAttribute.Table: table = attribute.U32; break;
                case RuleAttribute.Protocol: protocol = attribute.U8; break;
                case RuleAttribute.IpProtocol: ipProtocol = attribute.U8; break;
                case RuleAttribute.SourcePorts: sourcePorts = PortsOf(attribute); break;
                case RuleAttribute.DestinationPorts: destinationPorts = PortsOf(attribute); break;
                // -1 where nothing is suppressed.
                case RuleAttribute.SuppressPrefixLength: suppressed = (int)attribute.U32 is >= 0 and var length ? length : null; break;
            }
        }
        return new Rule
        {
            Family = header.Family == AfInet6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork,
            Priority = priority,
            Action = (RuleAction)header.Action,
            Table = table,
            Target = target,
            Invert = (header.Flags & RuleAttribute.Invert) != 0,
            Mark = mark,
            MarkMask = mask,
            From = from,
            To = to,
            InputInterface = input,
            OutputInterface = output,
            IpProtocol = ipProtocol,
            SourcePorts = sourcePorts,
            DestinationPorts = destinationPorts,
            SuppressPrefixLength = suppressed,
            Protocol = protocol,
        };
    }

    private static (ushort, ushort) PortsOf(NetlinkAttribute attribute)
    {
        RulePortRange range = attribute.Read<RulePortRange>();
        return (range.Start, range.End);
    }
}
