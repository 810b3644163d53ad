using System.Buffers.Binary;
using System.Net;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike;

/// <summary>
/// Cookies (RFC 7296 §2.6): <c>version | prf(secret, Ni | IPi | SPIi)</c>, with a secret that changes every minute; the one
/// before it is still taken.
/// </summary>
internal sealed class IkeCookies(IkeRuntime runtime)
{
    private static readonly TimeSpan _lifetime = TimeSpan.FromMinutes(1);
    private readonly byte[][] _secrets = [[], []];
    private byte _version;
    private TimeSpan _changedAt = TimeSpan.MinValue;

    public byte[] Make(ulong spiI, IPEndPoint remote, byte[] nonce)
    {
        if (_changedAt == TimeSpan.MinValue || runtime.Now - _changedAt >= _lifetime)
        {
            _version++;
            _secrets[_version & 1] = runtime.RandomBytes(32);
            _changedAt = runtime.Now;
        }
        return Compute(_version, spiI, remote, nonce);
    }

    public bool Accepts(IReadOnlyList<Payload> payloads, ulong spiI, IPEndPoint remote, byte[] nonce)
        => payloads[0] is NotifyPayload { Notify: NotifyType.COOKIE, Data.Length: 33 } cookie
            && (byte)(_version - cookie.Data[0]) <= 1
            && _secrets[cookie.Data[0] & 1].Length > 0
            && cookie.Data.AsSpan().SequenceEqual(Compute(cookie.Data[0], spiI, remote, nonce));

    private byte[] Compute(byte version, ulong spiI, IPEndPoint remote, byte[] nonce)
    {
        byte[] address = remote.Address.GetAddressBytes();
        byte[] data = new byte[nonce.Length + address.Length + 8];
        nonce.CopyTo(data, 0);
        address.CopyTo(data, nonce.Length);
        BinaryPrimitives.WriteUInt64BigEndian(data.AsSpan(nonce.Length + address.Length), spiI);
        byte[] cookie = new byte[33];
        cookie[0] = version;
        Prf.Compute(PseudorandomFunction.PRF_HMAC_SHA2_256, _secrets[version & 1], data, cookie.AsSpan(1));
        return cookie;
    }
}
