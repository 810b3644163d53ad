using System.Net;
using System.Security.Cryptography;
using PcpuIpsec.Esp;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>What this kernel's IPsec can do, found by trying.</summary>
/// <param name="Direction">It knows XFRMA_SA_DIR (6.10).</param>
/// <param name="PerCpu">It binds states to CPUs, XFRMA_SA_PCPU (6.13).</param>
internal sealed record KernelSupport(bool Direction, bool PerCpu)
{
    /// <summary>
    /// Adds a state between two addresses that are nobody's (RFC 5737), reads it back and deletes it. Kernels ignore attributes
    /// that they do not know, so only what comes back is there.
    /// </summary>
    /// <exception cref="PcpuIpsecException">Something is missing; the message is one sentence that says what.</exception>
    public static KernelSupport Probe(XfrmSocket xfrm)
    {
        var state = new XfrmState
        {
            Spi = (uint)RandomNumberGenerator.GetInt32(1 << 16, int.MaxValue),
            Source = new IPAddress([192, 0, 2, 1]),
            Destination = new IPAddress([192, 0, 2, 2]),
            Direction = XfrmSaDirection.In,
            Cpu = 0,
            Mode = XfrmMode.Tunnel,
            ReplayWindow = 64,
            RequestId = KernelIds.FirstRequestId,
            // Should the deletion below never come.
            Limits = new XfrmLimits { HardTime = TimeSpan.FromSeconds(10) },
        };
        var suite = new ChosenSuite(EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, Esn: false);
        Span<byte> key = stackalloc byte[20];
        RandomNumberGenerator.Fill(key);
        bool added = false;
        try
        {
            xfrm.AddState(state, suite, key, []);
            added = true;
            XfrmInstalledState? read = xfrm.FindState(state.Id);
            return new KernelSupport(read?.State.Direction is not null, read?.State.Cpu is not null);
        }
        catch (XfrmUnsupportedException e)
        {
            throw Unable($"{KernelName()} has no ESP with AES-GCM for IPv4 (it says \"{e.Refusal.KernelText ?? e.Refusal.Message}\"; CONFIG_INET_ESP and CONFIG_CRYPTO_GCM, or the modules esp4 and gcm, are missing), which the embedded data plane does without.");
        }
        catch (NetlinkException e) when (e.Errno == Libc.EPERM)
        {
            throw Unable("CAP_NET_ADMIN is missing in the network namespace's user namespace.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            if (added)
                xfrm.DeleteState(state.Id);
        }
    }

    /// <summary>Finds out what the kernel can do in the calling thread's network namespace, and leaves nothing behind.</summary>
    /// <exception cref="PcpuIpsecException">Something is missing; the message is one sentence that says what.</exception>
    public static KernelSupport Probe()
    {
        CheckCapability();
        using XfrmSocket xfrm = OpenSocket();
        return Probe(xfrm);
    }

    /// <summary>XFRM in the calling thread's network namespace.</summary>
    public static XfrmSocket OpenSocket()
    {
        try
        {
            return XfrmSocket.Open();
        }
        catch (PcpuIpsecException e)
        {
            throw Unable($"{KernelName()} has no XFRM for user space (CONFIG_XFRM_USER): {e.Message}");
        }
    }

    /// <summary>CAP_NET_ADMIN, which all of XFRM needs.</summary>
    public static void CheckCapability()
    {
        if (!HostRequirements.HasNetAdmin())
            throw Unable("CAP_NET_ADMIN is missing (XFRM's states and policies): run as root or give the process that capability.");
    }

    private static string KernelName() => $"Linux {Environment.OSVersion.Version.ToString(3)}";

    private static PcpuIpsecException Unable(string why) => new(PcpuIpsecError.HostUnable, $"The kernel data plane cannot be had: {why}");
}
