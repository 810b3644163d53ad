namespace PcpuIpsec.Ike.Crypto;

/// <summary>Lines of the tables from which Wireshark decrypts. They hold the keys in clear: made on explicit request only, never logged.</summary>
internal static class WiresharkKeys
{
    /// <summary>One line of <c>ikev2_decryption_table</c>.</summary>
    public static string IkeSa(ulong spiI, ulong spiR, IkeSaKeys keys) => throw Algorithms.Unavailable(keys.Suite.Encryption);

    /// <summary>One line of <c>esp_sa</c>.</summary>
    public static string EspSa(SaInstallation sa) => throw Algorithms.Unavailable(sa.Suite.Encryption);
}
