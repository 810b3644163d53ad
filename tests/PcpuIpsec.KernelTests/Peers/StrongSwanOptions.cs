using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>What carries strongSwan's packets.</summary>
internal enum StrongSwanPlane
{
    /// <summary>The kernel's XFRM (kernel-netlink).</summary>
    Kernel,

    /// <summary>ESP in UDP in strongSwan's own process (kernel-libipsec), for kernels without ESP.</summary>
    Process,
}

/// <summary>strongSwan's end of a tunnel: a connection <c>lab</c> with one child <c>net</c>.</summary>
internal sealed record StrongSwanOptions
{
    public const string Connection = "lab", Child = "net";

    /// <summary>no, yes or encap; anything but no also traps, without which it makes no SAs of its own.</summary>
    public string PerCpuSas { get; init; } = "no";

    /// <summary>ESP in UDP whatever is found about NATs; kernel-libipsec can do nothing else.</summary>
    public bool Encapsulate { get; init; }

    public string Key { get; init; } = "the lab's own pre-shared key";

    public string IkeProposal { get; init; } = "aes128gcm16-prfsha256-x25519";

    public string EspProposal { get; init; } = "aes128gcm16";

    /// <summary>Null: the network behind it.</summary>
    public string? LocalSelector { get; init; }

    /// <summary>Null: the network behind us.</summary>
    public string? RemoteSelector { get; init; }

    /// <summary>The connection, as swanctl.conf has it below <c>connections</c>.</summary>
    public ViciSection Configuration(LabHost here, LabHost there) => new()
    {
        { "version", "2" },
        { "local_addrs", [here.Address.ToString()] },
        { "remote_addrs", [there.Address.ToString()] },
        { "proposals", [IkeProposal] },
        { "encap", Encapsulate ? "yes" : "no" },
        { "mobike", "no" },
        { "rekey_time", "0" },
        { "local", new ViciSection { { "auth", "psk" }, { "id", here.Address.ToString() } } },
        { "remote", new ViciSection { { "auth", "psk" }, { "id", there.Address.ToString() } } },
        {
            "children", new ViciSection
            {
                {
                    Child, new ViciSection
                    {
                        { "local_ts", [LocalSelector ?? here.Red.Network.ToString()] },
                        { "remote_ts", [RemoteSelector ?? there.Red.Network.ToString()] },
                        { "esp_proposals", [EspProposal] },
                        { "rekey_time", "0" },
                        { "per_cpu_sas", PerCpuSas },
                        { "start_action", PerCpuSas == "no" ? "none" : "trap" },
                    }
                },
            }
        },
    };

    /// <summary>The key.</summary>
    public ViciSection Secret(LabHost here, LabHost there) => new()
    {
        { "type", "IKE" },
        { "data", Key },
        { "owners", [here.Address.ToString(), there.Address.ToString()] },
    };
}
