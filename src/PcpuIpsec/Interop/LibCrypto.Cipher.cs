using System.Runtime.InteropServices;

namespace PcpuIpsec.Interop;

internal static unsafe partial class LibCrypto
{
    public const int EVP_CTRL_AEAD_GET_TAG = 0x10;

    public const int EVP_CTRL_AEAD_SET_TAG = 0x11;

    /// <summary>A cipher context with the key set; freeing it zeroes the key schedule.</summary>
    public sealed class CipherContext : SafeHandle
    {
        private CipherContext(nint context)
            : base(0, ownsHandle: true) => SetHandle(context);

        public override bool IsInvalid => handle == 0;

        /// <summary>Sets cipher, key and direction; padding is off, so the text is what the caller says it is.</summary>
        /// <param name="cipher">The algorithm's name in the library, such as <c>AES-128-GCM</c>.</param>
        /// <param name="key">The key, without a salt.</param>
        /// <param name="encrypt">The direction; an AEAD's context can change it with the next IV.</param>
        public static CipherContext Create(string cipher, ReadOnlySpan<byte> key, bool encrypt)
        {
            EnsureUsable();
            ERR_clear_error();
            nint algorithm = EVP_CIPHER_fetch(0, cipher, null);
            if (algorithm == 0)
                throw Failure($"{nameof(EVP_CIPHER_fetch)}({cipher})");
            try
            {
                CipherContext context = new(EVP_CIPHER_CTX_new());
                fixed (byte* keyPointer = key)
                {
                    if (!context.IsInvalid
                        && EVP_CipherInit_ex2(context.handle, algorithm, keyPointer, null, encrypt ? 1 : 0, 0) == 1
                        && EVP_CIPHER_CTX_set_padding(context.handle, 0) == 1)
                        return context;
                }

                context.Dispose();
                throw Failure($"{nameof(EVP_CipherInit_ex2)}({cipher})");
            }
            finally
            {
                EVP_CIPHER_free(algorithm);
            }
        }

        protected override bool ReleaseHandle()
        {
            EVP_CIPHER_CTX_free(handle);
            return true;
        }
    }

    // The calls of the packet path take the bare pointer: the caller holds the handle once for all the calls of a packet.

    [LibraryImport(Library)]
    public static partial int EVP_CipherInit_ex2(nint context, nint cipher, byte* key, byte* iv, int encrypt, nint parameters);

    [LibraryImport(Library)]
    public static partial int EVP_CipherUpdate(nint context, byte* output, int* outputLength, byte* input, int inputLength);

    [LibraryImport(Library)]
    public static partial int EVP_CipherFinal_ex(nint context, byte* output, int* outputLength);

    [LibraryImport(Library)]
    public static partial int EVP_CIPHER_CTX_ctrl(nint context, int type, int argument, byte* pointer);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint EVP_CIPHER_fetch(nint libraryContext, string algorithm, string? properties);

    [LibraryImport(Library)]
    private static partial void EVP_CIPHER_free(nint cipher);

    [LibraryImport(Library)]
    private static partial nint EVP_CIPHER_CTX_new();

    [LibraryImport(Library)]
    private static partial void EVP_CIPHER_CTX_free(nint context);

    [LibraryImport(Library)]
    private static partial int EVP_CIPHER_CTX_set_padding(nint context, int padding);
}
