namespace PcpuIpsec.Xfrm;

// As XfrmStructs.cs: the headers of the three algorithm attributes. The key follows each, its length in bits.

/// <summary>struct xfrm_algo.</summary>
internal struct XfrmAlgo
{
    public XfrmAlgorithmName Name;
    public uint KeyBits;
}

/// <summary>struct xfrm_algo_auth.</summary>
internal struct XfrmAlgoAuth
{
    public XfrmAlgorithmName Name;
    public uint KeyBits;
    public uint TruncatedBits;
}

/// <summary>struct xfrm_algo_aead.</summary>
internal struct XfrmAlgoAead
{
    public XfrmAlgorithmName Name;
    public uint KeyBits;
    public uint IcvBits;
}
