using System.Text.Json;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;
using PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Refuses who may not ask, and answers what fails with problem details (RFC 9457).</summary>
internal sealed class Problems(uint? group, ILogger log)
{
    private const string ContentType = "application/problem+json";

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        context.Response.Headers[DaemonClient.ApiVersionHeader] = DaemonClient.ApiVersion.ToString(System.Globalization.CultureInfo.InvariantCulture);
        try
        {
            CheckPeer(context);
            await next(context);
            if (context.Response is { StatusCode: >= 400, HasStarted: false, ContentType: null })
                await WriteAsync(context, context.Response.StatusCode, Word(context.Response.StatusCode), Explain(context));
        }
        catch (PcpuIpsecException e)
        {
            await WriteAsync(context, StatusOf(e.Error), StatusMapping.Kebab(e.Error), e.Message);
        }
        catch (ApiException e)
        {
            await WriteAsync(context, e.Status, e.Error, e.Message);
        }
        catch (BadHttpRequestException e)
        {
            await WriteAsync(context, e.StatusCode, Word(e.StatusCode), e.Message);
        }
        catch (ObjectDisposedException)
        {
            await WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "aborted", "The daemon is stopping.");
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody waits for the answer any more.
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            // A fault of ours: the daemon lives on, for the tunnels do.
            DaemonLog.RequestFailed(log, context.Request.Method, context.Request.Path, e);
            await WriteAsync(context, StatusCodes.Status500InternalServerError, "aborted", "The daemon failed to do that; its log has why.");
        }
    }

    private void CheckPeer(HttpContext context)
    {
        // The kernel's word from when the connection was made; the socket's mode keeps others out already, where it holds.
        PeerCredentials peer = PeerCredentials.Of(context.Features.Get<IConnectionSocketFeature>()!.Socket);
        if (!peer.MayUse(group))
            throw new ApiException(StatusCodes.Status403Forbidden, "forbidden", $"User {peer.User} may not use this socket; allowed are root and the daemon's group.");
    }

    private static Task WriteAsync(HttpContext context, int status, string error, string detail)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return Task.CompletedTask;
        }
        context.Response.StatusCode = status;
        context.Response.ContentType = ContentType;
        var problem = new Problem { Type = Problem.TypePrefix + error, Title = ReasonPhrases.GetReasonPhrase(status), Status = status, Detail = detail, Error = error };
        return JsonSerializer.SerializeAsync(context.Response.Body, problem, WireJson.Readable.Problem, context.RequestAborted);
    }

    private static int StatusOf(PcpuIpsecError error) => error switch
    {
        PcpuIpsecError.InvalidOption => StatusCodes.Status400BadRequest,
        PcpuIpsecError.PeerSilent => StatusCodes.Status504GatewayTimeout,
        PcpuIpsecError.AuthenticationFailed or PcpuIpsecError.NoProposalChosen or PcpuIpsecError.TrafficSelectorsUnacceptable or PcpuIpsecError.ProtocolViolation
            => StatusCodes.Status502BadGateway,
        PcpuIpsecError.Aborted => StatusCodes.Status409Conflict,
        _ => StatusCodes.Status500InternalServerError,
    };

    private static string Word(int status) => status switch
    {
        StatusCodes.Status404NotFound or StatusCodes.Status405MethodNotAllowed => "not-found",
        _ => "invalid-option",
    };

    private static string Explain(HttpContext context) => context.Response.StatusCode switch
    {
        StatusCodes.Status404NotFound => $"There is nothing at {context.Request.Path}; /v1/openapi.json lists what there is.",
        StatusCodes.Status405MethodNotAllowed => $"{context.Request.Method} is not what {context.Request.Path} is for; allowed: {context.Response.Headers.Allow}.",
        int status => $"{ReasonPhrases.GetReasonPhrase(status)}.",
    };
}
