using System.Net;
using System.Security.Cryptography;
using PcpuIpsec.Host;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>What this kernel's IPsec can do, found by trying.</summary>
/// <param name="Direction">It knows XFRMA_SA_DIR (6.10).</param>
/// <param name="PerCpu">It binds states to CPUs, XFRMA_SA_PCPU (6.13).</param>
internal sealed record KernelSupport(bool Direction, bool PerCpu)
{
    /// <summary>What is tried, one after the other: a kernel may be built without any of them and still have ESP.</summary>
    private static readonly ChosenSuite[] _suites =
    [
        new(EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, Esn: false),
        new(EncryptionAlgorithm.ENCR_AES_CBC, 128, IntegrityAlgorithm.AUTH_HMAC_SHA2_256_128, null, KeyExchangeMethod.NONE, Esn: false),
        new(EncryptionAlgorithm.ENCR_CHACHA20_POLY1305, 256, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, Esn: false),
    ];

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
        bool added = false;
        try
        {
            Add(xfrm, state);
            added = true;
            XfrmInstalledState? read = xfrm.FindState(state.Id);
            return new KernelSupport(read?.State.Direction is not null, read?.State.Cpu is not null);
        }
        catch (XfrmUnsupportedException e)
        {
            string missing = e.Refusal.Errno == Libc.ENOSYS
                ? "no cipher for ESP that we know (AES-GCM, AES-CBC with HMAC-SHA-256, ChaCha20-Poly1305: CONFIG_CRYPTO_GCM and others, or their modules, are missing"
                : "no ESP for IPv4 (CONFIG_INET_ESP, or the module esp4, is missing";
            throw Unable($"{KernelName()} has {missing}; it says \"{e.Refusal.KernelText ?? e.Refusal.Message}\"), which the embedded data plane does without.");
        }
        catch (NetlinkException e) when (e.Errno == Libc.EPERM)
        {
            throw Unable("CAP_NET_ADMIN is missing in the network namespace's user namespace.");
        }
        finally
        {
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

    /// <summary>Adds it with the first suite that the kernel takes.</summary>
    private static void Add(XfrmSocket xfrm, XfrmState state)
    {
        Span<byte> random = stackalloc byte[64];
        RandomNumberGenerator.Fill(random);
        try
        {
            foreach (ChosenSuite suite in _suites)
            {
                int encryption = Algorithms.KeyLength(suite.Encryption, suite.KeyBits);
                int integrity = suite.Encryption.IsAead() ? 0 : Algorithms.KeyLength(suite.Integrity);
                try
                {
                    xfrm.AddState(state, suite, random[..encryption], random.Slice(encryption, integrity));
                    return;
                }
                catch (XfrmUnsupportedException e) when (e.Refusal.Errno == Libc.ENOSYS && suite != _suites[^1])
                {
                    // This cipher is missing; ESP itself it did not come to.
                }
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(random);
        }
    }

    /// <summary>CAP_NET_ADMIN, which all of XFRM needs.</summary>
    public static void CheckCapability()
    {
        if (!Capabilities.HasNetAdmin())
            throw Unable("CAP_NET_ADMIN is missing (XFRM's states and policies): run as root or give the process that capability.");
    }

    private static string KernelName() => $"Linux {Environment.OSVersion.Version.ToString(3)}";

    private static PcpuIpsecException Unable(string why) => new(PcpuIpsecError.HostUnable, $"The kernel data plane cannot be had: {why}");
}
