using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>What the OpenApi document cannot see by itself: types that write themselves.</summary>
internal static class OpenApiSchemas
{
    public static void Configure(OpenApiOptions options)
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo { Title = "pcpu-ipsec", Version = $"{DaemonClient.ApiVersion}", Description = "Tunnels with one Child SA per CPU (RFC 9611)" };
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer((schema, context, _) =>
        {
            if (context.JsonTypeInfo.Type == typeof(PreSharedKey))
                (schema.Type, schema.Format, schema.WriteOnly) = (JsonSchemaType.String, "password", true);
            else if (context.JsonPropertyInfo is { Name: "mss" })
                schema.Type = JsonSchemaType.String | JsonSchemaType.Integer | JsonSchemaType.Null;
            return Task.CompletedTask;
        });
    }
}
