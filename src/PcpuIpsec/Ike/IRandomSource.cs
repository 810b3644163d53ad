namespace PcpuIpsec.Ike;

/// <summary>Where nonces, IKE SPIs and unpredictable IVs come from; the simulator's is seeded.</summary>
internal interface IRandomSource
{
    /// <summary>Fills the span.</summary>
    void Fill(Span<byte> destination);
}
