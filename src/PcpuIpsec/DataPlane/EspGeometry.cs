using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.DataPlane;

/// <summary>The lengths of an ESP packet (RFC 4303 §2): header, IV, payload with padding and trailer, ICV.</summary>
internal readonly struct EspGeometry(int ivLength, int icvLength, int blockSize)
{
    /// <summary>SPI and sequence number.</summary>
    public const int HeaderLength = 8;

    /// <summary>Pad length and next header.</summary>
    public const int TrailerLength = 2;

    public EspGeometry(PacketCipher cipher)
        : this(cipher.IvLength, cipher.IcvLength, cipher.BlockSize)
    {
    }

    /// <summary>Of a suite whose keys are elsewhere.</summary>
    public EspGeometry(ChosenSuite suite)
        : this(Algorithms.IvLength(suite.Encryption), Algorithms.IcvLength(suite.Encryption, suite.Integrity), Algorithms.BlockSize(suite.Encryption))
    {
    }

    public int IvLength { get; } = ivLength;
    public int IcvLength { get; } = icvLength;
    public int BlockSize { get; } = blockSize;

    /// <summary>Pad length and next header end on a boundary of four bytes at least (§2.4).</summary>
    private int Alignment => Math.Max(4, BlockSize);

    /// <summary>Payload, padding and trailer.</summary>
    public int TextLength(int payloadLength) => (payloadLength + TrailerLength + Alignment - 1) / Alignment * Alignment;

    /// <summary>The whole ESP packet, from the SPI to the ICV.</summary>
    public int PacketLength(int payloadLength) => HeaderLength + IvLength + TextLength(payloadLength) + IcvLength;

    /// <summary>The longest payload whose ESP packet is not longer than this; may be negative.</summary>
    public int MaximumPayload(int packetLength)
        => (packetLength - HeaderLength - IvLength - IcvLength) / Alignment * Alignment - TrailerLength;
}
