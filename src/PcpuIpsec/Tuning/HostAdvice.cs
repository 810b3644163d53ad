using PcpuIpsec.DataPlane;
using PcpuIpsec.Host;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tuning;

/// <summary>What would help and is for people to decide: others have a say in it, or it costs something elsewhere. Pure.</summary>
internal static class HostAdvice
{
    private const int IPv4Header = 20, UdpHeader = 8, UsualInner = 1500;

    public static IEnumerable<TuningResult> Of(NicState nic)
    {
        EspGeometry geometry = new(new ChosenSuite(EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, Esn: false));
        int tunnel = geometry.MaximumPayload(nic.Mtu - IPv4Header), encapsulated = geometry.MaximumPayload(nic.Mtu - IPv4Header - UdpHeader);
        if (tunnel >= UsualInner)
            yield break;
        yield return new TuningResult(SettingKeys.OfNic(nic.Link, "mtu"), $"{nic.Mtu}", null, TuningOutcome.Advice, $"ESP with AES-GCM in tunnel mode over IPv4 leaves {tunnel} bytes of it, in UDP {encapsulated}: packets of {UsualInner} are cut or refused")
        {
            Why = $"with {IPv4Header + UdpHeader + geometry.PacketLength(UsualInner)} or more, where the whole way has it, packets of {UsualInner} bytes fit",
        };
    }

    public static IEnumerable<TuningResult> Of(IReadOnlyList<CpuPlace> cpus)
    {
        int[] slow = [.. cpus.Where(c => c.Governor is { } governor && governor != "performance").Select(c => c.Cpu)];
        if (slow.Length > 0)
        {
            yield return new TuningResult("cpu/governor", cpus.First(c => c.Cpu == slow[0]).Governor, null, TuningOutcome.Advice, $"CPU {CpuList.Format(slow)} change their frequency with the load")
            {
                Why = "cpupower frequency-set -g performance, where power is no matter: packets that come in bursts find CPUs awake",
            };
        }
    }
}
