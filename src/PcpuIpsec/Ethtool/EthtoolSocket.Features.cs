using PcpuIpsec.Netlink;

namespace PcpuIpsec.Ethtool;

internal sealed partial class EthtoolSocket
{
    /// <summary>ETHTOOL_MSG_FEATURES_GET.</summary>
    public Features? Features(string link) => Get(link, EthtoolMessage.FeaturesGet, "features", static attributes =>
    {
        HashSet<string> active = [], changeable = [], wanted = [], known = [];
        foreach (NetlinkAttribute attribute in attributes)
        {
            switch (attribute.Type)
            {
                case EthtoolAttribute.FeaturesActive: AddBits(active, null, attribute.Nested); break;
                case EthtoolAttribute.FeaturesHw: AddBits(changeable, known, attribute.Nested); break;
                case EthtoolAttribute.FeaturesWanted: AddBits(wanted, null, attribute.Nested); break;
            }
        }
        return new Features(active, changeable) { Wanted = wanted, Known = known };
    });

    /// <summary>
    /// ETHTOOL_MSG_FEATURES_SET. The kernel takes a wish and grants what the driver, the state of the interface and other features
    /// allow, without an error: what did not take is found by looking.
    /// </summary>
    /// <param name="link">The interface.</param>
    /// <param name="wanted">On or off by the kernel's name.</param>
    public FeatureOutcome SetFeatures(string link, IReadOnlyDictionary<string, bool> wanted)
    {
        Features now = Present(Features(link), link, "features");
        foreach (string name in wanted.Keys)
        {
            if (!now.Known.Contains(name))
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"feature = '{name}': this kernel has none of that name; {link} can change {string.Join(", ", now.Changeable.Order(StringComparer.Ordinal))}.");
        }
        // A wish that is there already, granted or not, needs no repetition.
        KeyValuePair<string, bool>[] changes = [.. wanted.Where(w => now.Changeable.Contains(w.Key) && now.Wanted.Contains(w.Key) != w.Value).OrderBy(w => w.Key, StringComparer.Ordinal)];
        if (changes.Length > 0)
        {
            Set(link, EthtoolMessage.FeaturesSet, "features", (ref NetlinkRequest request) =>
            {
                int bitset = request.BeginNest(EthtoolAttribute.FeaturesWanted, flagged: true);
                int bits = request.BeginNest(EthtoolAttribute.BitsetBits, flagged: true);
                foreach ((string name, bool value) in changes)
                {
                    int bit = request.BeginNest(EthtoolAttribute.BitsetBitsBit, flagged: true);
                    request.String(EthtoolAttribute.BitName, name);
                    if (value)
                        request.Flag(EthtoolAttribute.BitValue);
                    request.EndNest(bit);
                }
                request.EndNest(bits);
                request.EndNest(bitset);
            });
            now = Present(Features(link), link, "features");
        }
        return new FeatureOutcome(now, wanted.Where(w => now.Active.Contains(w.Key) != w.Value).ToDictionary(w => w.Key, w => WhyNot(now, w.Key, w.Value)));
    }

    private static string WhyNot(Features now, string name, bool value)
    {
        string state = now.Active.Contains(name) ? "on" : "off";
        if (!now.Changeable.Contains(name))
            return $"it is {state} and fixed: the driver does not let it be changed";
        return now.Wanted.Contains(name) == value
            ? $"it stays {state}: the wish is noted, but the driver, another feature or the state of the interface does not allow it"
            : $"it stays {state}: the kernel did not take the wish";
    }

    /// <summary>The names of the bits that are set: with a mask those with a value, without one all that are there.</summary>
    /// <param name="set">Receives them.</param>
    /// <param name="told">Receives the names of all that are told, set or not.</param>
    /// <param name="bitset">ETHTOOL_A_BITSET_*.</param>
    private static void AddBits(HashSet<string> set, HashSet<string>? told, NetlinkAttributes bitset)
    {
        bool isList = false;
        foreach (NetlinkAttribute attribute in bitset)
        {
            isList |= attribute.Type == EthtoolAttribute.BitsetNoMask;
            if (attribute.Type != EthtoolAttribute.BitsetBits)
                continue;
            foreach (NetlinkAttribute bit in attribute.Nested)
            {
                string? name = null;
                bool value = isList;
                foreach (NetlinkAttribute part in bit.Nested)
                {
                    if (part.Type == EthtoolAttribute.BitName)
                        name = part.String;
                    value |= part.Type == EthtoolAttribute.BitValue;
                }
                if (name is null)
                    continue;
                told?.Add(name);
                if (value)
                    set.Add(name);
            }
        }
    }
}
