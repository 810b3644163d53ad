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
        if (request.ContentLength is not { } length)
            throw new ApiException(StatusCodes.Status411LengthRequired, "invalid-option", "Content-Length is missing.");
        if (length > LengthAtMost)
            throw new ApiException(StatusCodes.Status413PayloadTooLarge, "invalid-option", $"The body has {length} bytes; allowed are {LengthAtMost}.");
        byte[] json = GC.AllocateUninitializedArray<byte>((int)length, pinned: true);
        try
        {
            await request.Body.ReadExactlyAsync(json, cancellationToken);
            return WireReader.Read(json, type);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(json);
        }
    }
}
