using System.Runtime.InteropServices;

namespace PcpuIpsec.Interop;

internal static unsafe partial class LibCrypto
{
    /// <summary>An EVP_PKEY.</summary>
    public sealed class PublicKeyHandle : SafeHandle
    {
        /// <summary>Used by the marshaller.</summary>
        public PublicKeyHandle()
            : base(0, ownsHandle: true)
        {
        }

        public override bool IsInvalid => handle == 0;

        internal void Take(nint key) => SetHandle(key);

        protected override bool ReleaseHandle()
        {
            EVP_PKEY_free(handle);
            return true;
        }
    }

    /// <summary>An EVP_PKEY_CTX: one operation on a key.</summary>
    public sealed class PublicKeyContext : SafeHandle
    {
        /// <summary>Used by the marshaller.</summary>
        public PublicKeyContext()
            : base(0, ownsHandle: true)
        {
        }

        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle()
        {
            EVP_PKEY_CTX_free(handle);
            return true;
        }
    }

    /// <summary>Makes a key pair.</summary>
    /// <param name="type">The key type's name in the library: X25519, X448, DH, EC.</param>
    /// <param name="group">The group's name where the type has several, else null.</param>
    public static PublicKeyHandle GenerateKey(string type, string? group)
    {
        EnsureUsable();
        ERR_clear_error();
        using PublicKeyContext context = EVP_PKEY_CTX_new_from_name(0, type, null);
        if (context.IsInvalid || EVP_PKEY_keygen_init(context) != 1)
            throw Failure($"{nameof(EVP_PKEY_keygen_init)}({type})");
        if (group is not null && EVP_PKEY_CTX_set_group_name(context, group) != 1)
            throw Failure($"{nameof(EVP_PKEY_CTX_set_group_name)}({group})");
        nint key = 0;
        if (EVP_PKEY_generate(context, &key) != 1)
            throw Failure($"{nameof(EVP_PKEY_generate)}({group ?? type})");
        PublicKeyHandle handle = new();
        handle.Take(key);
        return handle;
    }

    /// <summary>Reads a private key from its PKCS #8 or traditional DER form.</summary>
    public static PublicKeyHandle ImportPrivateKey(ReadOnlySpan<byte> der)
    {
        EnsureUsable();
        ERR_clear_error();
        fixed (byte* start = der)
        {
            byte* position = start;
            PublicKeyHandle key = d2i_AutoPrivateKey(0, &position, der.Length);
            return key.IsInvalid ? throw Failure(nameof(d2i_AutoPrivateKey)) : key;
        }
    }

    /// <summary>The public half: a point in uncompressed form for EC, a number of the modulus' length for DH, the plain bytes for X25519 and X448.</summary>
    public static byte[] EncodedPublicKey(PublicKeyHandle key)
    {
        ERR_clear_error();
        byte* encoded = null;
        nuint length = EVP_PKEY_get1_encoded_public_key(key, &encoded);
        if (length == 0)
            throw Failure(nameof(EVP_PKEY_get1_encoded_public_key));
        byte[] copy = new ReadOnlySpan<byte>(encoded, checked((int)length)).ToArray();
        CRYPTO_free(encoded, null, 0);
        return copy;
    }

    /// <summary>A peer's public half with the parameters of <paramref name="own"/>; null where the library refuses it (a point that is not on the curve).</summary>
    public static PublicKeyHandle? PeerKey(PublicKeyHandle own, ReadOnlySpan<byte> encoded)
    {
        ERR_clear_error();
        PublicKeyHandle peer = EVP_PKEY_new();
        if (peer.IsInvalid || EVP_PKEY_copy_parameters(peer, own) != 1)
            throw Failure(nameof(EVP_PKEY_copy_parameters));
        fixed (byte* bytes = encoded)
        {
            if (EVP_PKEY_set1_encoded_public_key(peer, bytes, (nuint)encoded.Length) == 1)
                return peer;
        }

        peer.Dispose();
        ERR_clear_error();
        return null;
    }

    /// <summary>A peer's public half of a type without parameters: X25519, X448.</summary>
    public static PublicKeyHandle RawPeerKey(string type, ReadOnlySpan<byte> bytes)
    {
        ERR_clear_error();
        fixed (byte* pointer = bytes)
        {
            PublicKeyHandle key = EVP_PKEY_new_raw_public_key_ex(0, type, null, pointer, (nuint)bytes.Length);
            return key.IsInvalid ? throw Failure($"{nameof(EVP_PKEY_new_raw_public_key_ex)}({type})") : key;
        }
    }

    /// <summary>The shared secret, which must fill the destination; false where the library refuses the agreement.</summary>
    /// <param name="own">Our key pair.</param>
    /// <param name="peer">The peer's public half, already checked by the caller.</param>
    /// <param name="pad">For DH: give the secret with its leading zeroes (RFC 7296 §2.14).</param>
    /// <param name="secret">Receives the secret.</param>
    public static bool TryDerive(PublicKeyHandle own, PublicKeyHandle peer, bool pad, Span<byte> secret)
    {
        ERR_clear_error();
        using PublicKeyContext context = EVP_PKEY_CTX_new_from_pkey(0, own, null);
        if (context.IsInvalid || EVP_PKEY_derive_init(context) != 1)
            throw Failure(nameof(EVP_PKEY_derive_init));
        if (pad && EVP_PKEY_CTX_set_dh_pad(context, 1) != 1)
            throw Failure(nameof(EVP_PKEY_CTX_set_dh_pad));
        if (EVP_PKEY_derive_set_peer_ex(context, peer, 0) != 1)
            throw Failure(nameof(EVP_PKEY_derive_set_peer_ex));
        nuint length = (nuint)secret.Length;
        fixed (byte* pointer = secret)
        {
            if (EVP_PKEY_derive(context, pointer, &length) == 1 && length == (nuint)secret.Length)
                return true;
        }

        ERR_clear_error();
        return false;
    }

    /// <summary>A number that is a parameter of the key, such as DH's modulus <c>p</c>, with the most significant byte first.</summary>
    public static byte[] NumberParameter(PublicKeyHandle key, string name)
    {
        ERR_clear_error();
        nint number = 0;
        if (EVP_PKEY_get_bn_param(key, name, &number) != 1)
            throw Failure($"{nameof(EVP_PKEY_get_bn_param)}({name})");
        byte[] bytes = new byte[(BN_num_bits(number) + 7) / 8];
        fixed (byte* pointer = bytes)
            _ = BN_bn2binpad(number, pointer, bytes.Length);
        BN_free(number);
        return bytes;
    }

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial PublicKeyContext EVP_PKEY_CTX_new_from_name(nint libraryContext, string name, string? properties);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial PublicKeyContext EVP_PKEY_CTX_new_from_pkey(nint libraryContext, PublicKeyHandle key, string? properties);

    [LibraryImport(Library)]
    private static partial void EVP_PKEY_CTX_free(nint context);

    [LibraryImport(Library)]
    private static partial int EVP_PKEY_keygen_init(PublicKeyContext context);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int EVP_PKEY_CTX_set_group_name(PublicKeyContext context, string name);

    [LibraryImport(Library)]
    private static partial int EVP_PKEY_generate(PublicKeyContext context, nint* key);

    [LibraryImport(Library)]
    private static partial PublicKeyHandle EVP_PKEY_new();

    [LibraryImport(Library)]
    private static partial void EVP_PKEY_free(nint key);

    [LibraryImport(Library)]
    private static partial int EVP_PKEY_copy_parameters(PublicKeyHandle to, PublicKeyHandle from);

    [LibraryImport(Library)]
    private static partial nuint EVP_PKEY_get1_encoded_public_key(PublicKeyHandle key, byte** encoded);

    [LibraryImport(Library)]
    private static partial int EVP_PKEY_set1_encoded_public_key(PublicKeyHandle key, byte* encoded, nuint length);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial PublicKeyHandle EVP_PKEY_new_raw_public_key_ex(nint libraryContext, string type, string? properties, byte* bytes, nuint length);

    [LibraryImport(Library)]
    private static partial PublicKeyHandle d2i_AutoPrivateKey(nint key, byte** der, nint length);

    [LibraryImport(Library)]
    private static partial int EVP_PKEY_derive_init(PublicKeyContext context);

    [LibraryImport(Library)]
    private static partial int EVP_PKEY_CTX_set_dh_pad(PublicKeyContext context, int pad);

    [LibraryImport(Library)]
    private static partial int EVP_PKEY_derive_set_peer_ex(PublicKeyContext context, PublicKeyHandle peer, int validate);

    [LibraryImport(Library)]
    private static partial int EVP_PKEY_derive(PublicKeyContext context, byte* secret, nuint* length);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int EVP_PKEY_get_bn_param(PublicKeyHandle key, string name, nint* number);

    [LibraryImport(Library)]
    private static partial int BN_num_bits(nint number);

    [LibraryImport(Library)]
    private static partial int BN_bn2binpad(nint number, byte* to, int length);

    [LibraryImport(Library)]
    private static partial void BN_free(nint number);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial void CRYPTO_free(void* pointer, string? file, int line);
}
