using System.Security.Cryptography;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Reads a request's JSON into memory that is zeroed: it may hold a key.</summary>
internal static class RequestBody
{
    /// <summary>In bytes: ten times what a tunnel with all its lists takes.</summary>
    public const int LengthAtMost = 1 << 16;

    /// <summary>
    /// What the server reads of one, in bytes. It is more than is allowed, since a client that still writes when its connection is closed
    /// finds a broken pipe before it finds the answer.
    /// </summary>
    public const int TakenAtMost = 1 << 22;

    /// <summary>One that is used again: what is pinned or large the runtime seldom gives back.</summary>
    private static byte[]? _spare;

    public static async Task<T> ReadAsync<T>(HttpRequest request, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        if (!request.HasJsonContentType())
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "invalid-option", $"Content-Type = '{request.ContentType}' is not allowed; allowed is application/json.");
        if (request.ContentLength > LengthAtMost)
            throw TooLarge($"{request.ContentLength}");
        byte[] json = Interlocked.Exchange(ref _spare, null) ?? GC.AllocateUninitializedArray<byte>(LengthAtMost + 1, pinned: true);
        try
        {
            int length = await request.Body.ReadAtLeastAsync(json, json.Length, throwOnEndOfStream: false, cancellationToken);
            if (length > LengthAtMost)
                throw TooLarge($"more than {LengthAtMost}");
            return WireReader.Read(json.AsSpan(0, length), type);
        }
        finally
        {
            // All of it: a read that failed has not told how much there is.
            CryptographicOperations.ZeroMemory(json);
            _spare = json;
        }
    }

    private static ApiException TooLarge(string bytes) =>
        new(StatusCodes.Status413PayloadTooLarge, "invalid-option", $"The body has {bytes} bytes; allowed are {LengthAtMost}.");
}
