namespace PcpuIpsec.Esp.Packets;

/// <summary>Explicit congestion notification across a tunnel (RFC 6040, normal mode).</summary>
internal static class Ecn
{
    public const byte NotEct = 0b00, Ect1 = 0b01, Ect0 = 0b10, CongestionExperienced = 0b11;

    /// <summary>The ECN field is the lower two bits of the traffic class.</summary>
    public const byte Mask = 0b11;

    /// <summary>
    /// What the inner header's traffic class becomes when the packet leaves the tunnel; its DSCP stays (RFC 4301 §5.1.2).
    /// </summary>
    /// <returns>False where the packet has to be dropped: congestion outside, and nobody inside who would hear of it.</returns>
    public static bool TryDecapsulate(byte inner, byte outer, out byte result)
    {
        // RFC 6040 §4.2, figure 4
        result = inner;
        switch (inner & Mask, outer & Mask)
        {
            case (NotEct, CongestionExperienced):
                return false;
            case (Ect0 or Ect1, CongestionExperienced):
                result = (byte)(inner | CongestionExperienced);
                return true;
            case (Ect0, Ect1):
                result = (byte)((inner & ~Mask) | Ect1);
                return true;
            default:
                return true;
        }
    }
}
