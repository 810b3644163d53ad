using System.Security.Cryptography;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Reads a request's JSON into memory that is zeroed: it may hold a key.</summary>
internal static class RequestBody
{
    public const int LengthAtMost = 1 << 18;

    public static async Task<T> ReadAsync<T>(HttpRequest request, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        if (!request.HasJsonContentType())
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "invalid-option", $"Content-Type = '{request.ContentType}' is not allowed; allowed is application/json.");
        if (request.ContentLength > LengthAtMost)
            throw new ApiException(StatusCodes.Status413PayloadTooLarge, "invalid-option", $"The body has {request.ContentLength} bytes; allowed are {LengthAtMost}.");
        // One without a length ends by itself, or at the server's limit, which is the same.
        byte[] json = GC.AllocateUninitializedArray<byte>((int)(request.ContentLength ?? LengthAtMost), pinned: true);
        try
        {
            int length = await request.Body.ReadAtLeastAsync(json, json.Length, throwOnEndOfStream: false, cancellationToken);
            return WireReader.Read(json.AsSpan(0, length), type);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(json);
        }
    }
}
