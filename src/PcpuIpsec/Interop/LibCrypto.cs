using System.Runtime.InteropServices;

namespace PcpuIpsec.Interop;

/// <summary>
/// The parts of OpenSSL 3's libcrypto that .NET does not offer: kept cipher contexts, and the key agreements of
/// X25519, X448 and the finite-field groups. Split in files by topic.
/// </summary>
internal static unsafe partial class LibCrypto
{
    private const string Library = "libcrypto.so.3";

    /// <summary>Do not tear the library down at exit while other threads may still be in it; .NET asks for the same.</summary>
    private const ulong OPENSSL_INIT_NO_ATEXIT = 0x00080000;

    private static readonly Lazy<string?> _obstacle = new(FindObstacle);

    /// <summary>Refuses to go on where the library is missing or too old; what creates objects of it calls this first.</summary>
    /// <exception cref="PcpuIpsecException">With the reason HostUnable; the message names what is missing.</exception>
    public static void EnsureUsable()
    {
        if (_obstacle.Value is { } obstacle)
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, obstacle);
    }

    /// <summary>An exception that says which call failed, with the library's own reasons; they name operations, never data.</summary>
    public static PcpuIpsecException Failure(string operation)
    {
        const int LongestReason = 256;
        List<string> reasons = [];
        byte* text = stackalloc byte[LongestReason];
        while (ERR_get_error() is var code and not 0)
        {
            ERR_error_string_n(code, text, LongestReason);
            reasons.Add(Marshal.PtrToStringUTF8((nint)text)!);
        }

        string reason = reasons.Count > 0 ? string.Join("; ", reasons) : "no reason given";
        return new PcpuIpsecException(PcpuIpsecError.CryptoFailure, $"libcrypto failed in {operation}: {reason}.");
    }

    /// <summary>Forgets the reasons of failures that were expected, so that a later message does not show them.</summary>
    [LibraryImport(Library)]
    public static partial void ERR_clear_error();

    /// <summary>What stands in the way of using the library, in words; null where nothing does.</summary>
    internal static string? ObstacleOf(string library)
    {
        if (!NativeLibrary.TryLoad(library, out nint handle))
            return $"The library {library} (OpenSSL 3.0 or later; Debian: libssl3 or libssl3t64) could not be loaded.";
        // EVP_MAC_init with a null key restarts a kept HMAC from 3.0 on; before, none of the functions used here exist.
        return NativeLibrary.TryGetExport(handle, nameof(EVP_PKEY_generate), out _)
            ? null
            : $"The library {library} is older than OpenSSL 3.0: it lacks {nameof(EVP_PKEY_generate)}.";
    }

    private static string? FindObstacle()
    {
        string? obstacle = ObstacleOf(Library);
        if (obstacle is null && OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, 0) != 1)
            obstacle = $"The library {Library} could not be initialised: {Failure(nameof(OPENSSL_init_crypto)).Message}";
        return obstacle;
    }

    [LibraryImport(Library)]
    private static partial int OPENSSL_init_crypto(ulong options, nint settings);

    [LibraryImport(Library)]
    private static partial nuint ERR_get_error();

    [LibraryImport(Library)]
    private static partial void ERR_error_string_n(nuint code, byte* text, nuint length);
}
