using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using PcpuIpsec.Client;
using PcpuIpsec.Xfrm;
using Wire = PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>What there is to ask, and who answers it.</summary>
internal static class ApiRoutes
{
    public static void Map(IEndpointRouteBuilder routes, TunnelKeeper keeper, EventJournal journal, MetricsText metrics, DaemonFacts facts, CancellationToken stopping)
    {
        RouteGroupBuilder v1 = routes.MapGroup("/v1");
        v1.WithMetadata(new ProducesResponseTypeAttribute(typeof(Problem), StatusCodes.Status400BadRequest, "application/problem+json"));
        MapTunnels(v1, keeper);
        MapChildSas(v1, keeper);
        MapHost(v1, keeper, facts);
        MapTuning(v1);

        v1.MapGet("/events", Task (HttpContext context, CancellationToken _) => EventStream.WriteAsync(context, journal, stopping))
            .WithMetadata(new ProducesResponseTypeAttribute(typeof(DaemonEvent), StatusCodes.Status200OK, EventStream.ContentType))
            .WithSummary("What happens from now on, or from the event of Last-Event-ID on, as server-sent events");
        v1.MapGet("/events/recent", Ok<IReadOnlyList<DaemonEvent>> () => TypedResults.Ok(journal.After(0).Events))
            .WithSummary("The last events");

        routes.MapGet("/metrics", Task (HttpContext context, CancellationToken ct) => metrics.WriteAsync(context.Response, keeper, facts, ct))
            .WithMetadata(new ProducesResponseTypeAttribute(typeof(string), StatusCodes.Status200OK, "text/plain"))
            .WithSummary("Metrics in Prometheus' text format");
    }

    private static void MapTunnels(RouteGroupBuilder v1, TunnelKeeper keeper)
    {
        v1.MapGet("/tunnels", async Task<Ok<IReadOnlyList<Wire.Tunnel>>> (CancellationToken ct) => TypedResults.Ok(await keeper.ListAsync(ct)))
            .WithSummary("All tunnels");
        v1.MapGet("/tunnels/{name}", async Task<Ok<Wire.Tunnel>> (string name, CancellationToken ct) => TypedResults.Ok(await keeper.FindAsync(name, ct)))
            .WithSummary("One tunnel");
        v1.MapPost("/tunnels", async Task<Results<Created<TunnelChange>, Ok<TunnelChange>>> (HttpRequest request, CancellationToken ct) =>
            {
                TunnelDefinition definition = await RequestBody.ReadAsync(request, WireJson.Default.TunnelDefinition, ct);
                using PreSharedKey? key = definition.PreSharedKey;
                TunnelChange change = await keeper.CreateAsync(definition, ct);
                return change.Changed ? TypedResults.Created($"/v1/tunnels/{definition.Name}", change) : TypedResults.Ok(change);
            })
            .Accepts<TunnelDefinition>("application/json")
            .WithSummary("Declares a tunnel: its traffic is held from then on. One that is declared alike already is left as it is");
        v1.MapPut("/tunnels/{name}", async Task<Ok<TunnelChange>> (string name, HttpRequest request, CancellationToken ct) =>
            {
                TunnelDefinition definition = await RequestBody.ReadAsync(request, WireJson.Default.TunnelDefinition, ct);
                using PreSharedKey? key = definition.PreSharedKey;
                return TypedResults.Ok(await keeper.UpdateAsync(name, definition, ct));
            })
            .Accepts<TunnelDefinition>("application/json")
            .WithSummary("Gives a tunnel another declaration; without a key of any kind it keeps its own");
        v1.MapDelete("/tunnels/{name}", async Task<Ok<TunnelChange>> (string name, CancellationToken ct) => TypedResults.Ok(await keeper.DeleteAsync(name, ct)))
            .WithSummary("Deletes a tunnel's SAs and forgets it: its traffic goes unprotected from then on");
        v1.MapPost("/tunnels/{name}/start", async Task<Ok<TunnelChange>> (string name, string? wait, CancellationToken ct)
                => TypedResults.Ok(await keeper.StartAsync(name, WaitsForAll(wait), ct)))
            .WithSummary("Initiates a tunnel that is down and waits for its fallback Child SA, or with wait=child-sas for that of each CPU");
        v1.MapPost("/tunnels/{name}/stop", async Task<Ok<TunnelChange>> (string name, CancellationToken ct) => TypedResults.Ok(await keeper.StopAsync(name, ct)))
            .WithSummary("Deletes a tunnel's SAs at both ends; its traffic stays held");
        v1.MapPost("/reload", async Task<Ok<ReloadResult>> (CancellationToken ct) => TypedResults.Ok(await keeper.ReloadAsync(ct)))
            .WithSummary("Reads the folder of declared tunnels anew");
    }

    private static void MapChildSas(RouteGroupBuilder v1, TunnelKeeper keeper)
    {
        v1.MapGet("/child-sas", async Task<Ok<IReadOnlyList<Wire.ChildSa>>> (CancellationToken ct)
                => TypedResults.Ok<IReadOnlyList<Wire.ChildSa>>([.. (await keeper.ListAsync(ct)).SelectMany(t => t.ChildSas)]))
            .WithSummary("The Child SAs of all tunnels");
        v1.MapGet("/tunnels/{name}/child-sas", async Task<Ok<IReadOnlyList<Wire.ChildSa>>> (string name, CancellationToken ct)
                => TypedResults.Ok((await keeper.FindAsync(name, ct)).ChildSas))
            .WithSummary("The Child SAs of one tunnel");
        v1.MapPost("/tunnels/{name}/child-sas/{number:int}/rekey", async Task<Ok<Wire.ChildSa>> (string name, int number, CancellationToken ct) =>
            {
                await FindChildSaAsync(keeper, name, number, ct);
                await keeper.Gateway.RekeyChildSaAsync(name, number, ct);
                return TypedResults.Ok(await FindChildSaAsync(keeper, name, number, ct));
            })
            .WithSummary("Gives a Child SA new keys and waits until they are in use");
        v1.MapPost("/tunnels/{name}/child-sas/{number:int}/move", async Task<Ok<Wire.ChildSa>> (string name, int number, HttpRequest request, CancellationToken ct) =>
            {
                MoveRequest move = await RequestBody.ReadAsync(request, WireJson.Default.MoveRequest, ct);
                await FindChildSaAsync(keeper, name, number, ct);
                await keeper.Gateway.MoveChildSaAsync(name, number, move.Cpu, ct);
                return TypedResults.Ok(await FindChildSaAsync(keeper, name, number, ct));
            })
            .Accepts<MoveRequest>("application/json")
            .WithSummary("Moves a Child SA to another CPU by rekeying it, and waits until the new one is in use");
    }

    private static void MapHost(RouteGroupBuilder v1, TunnelKeeper keeper, DaemonFacts facts)
    {
        v1.MapGet("/version", async Task<Ok<DaemonInfo>> (CancellationToken ct) => TypedResults.Ok(facts.Describe(await keeper.Gateway.GetStatusAsync(ct))))
            .WithSummary("What the daemon is, on what it works, and its counters");
        v1.MapGet("/host/checks", async Task<Ok<IReadOnlyList<HostCheck>>> (CancellationToken ct)
                => TypedResults.Ok(HostChecks.Run(await keeper.Gateway.GetStatusAsync(ct))))
            .WithSummary("What the host is and lacks");
        v1.MapGet("/xfrm/states", Ok<IReadOnlyList<Wire.XfrmState>> () =>
            {
                using XfrmSocket xfrm = KernelSupport.OpenSocket();
                return TypedResults.Ok<IReadOnlyList<Wire.XfrmState>>([.. xfrm.States().Select(s => StatusMapping.ToWire(s, TunnelsByRequestId(keeper)))]);
            })
            .WithSummary("The kernel's ESP states in the daemon's namespace, without keys");
        v1.MapGet("/xfrm/policies", Ok<IReadOnlyList<Wire.XfrmPolicy>> () =>
            {
                using XfrmSocket xfrm = KernelSupport.OpenSocket();
                return TypedResults.Ok<IReadOnlyList<Wire.XfrmPolicy>>([.. xfrm.Policies().Select(p => StatusMapping.ToWire(p, TunnelsByRequestId(keeper)))]);
            })
            .WithSummary("The kernel's policies in the daemon's namespace");
        v1.MapGet("/xfrm/statistics", Ok<IReadOnlyDictionary<string, long>> () => TypedResults.Ok(XfrmStatistics.Read()
                ?? throw new PcpuIpsecException(PcpuIpsecError.HostUnable, "The kernel keeps no counters of IPsec (CONFIG_XFRM_STATISTICS).")))
            .WithSummary("The kernel's error counters in the daemon's namespace");
    }

    // Off the server's threads: a driver that is given other channels takes its time.
    private static void MapTuning(RouteGroupBuilder v1)
    {
        v1.MapGet("/nics", async Task<Ok<IReadOnlyList<NicTuning>>> () => TypedResults.Ok(await Task.Run(HostTuning.Nics)))
            .WithSummary("How each interface is tuned: driver, queues, descriptors, coalescing, features, hashing, rules, flow control, counters");
        v1.MapGet("/irqs", async Task<Ok<IReadOnlyList<IrqAffinity>>> () => TypedResults.Ok(await Task.Run(HostTuning.Irqs)))
            .WithSummary("The IRQs of each interface, and the CPUs that they go to");
        v1.MapPost("/nics/{name}/tuning", async Task<Ok<IReadOnlyList<TuningChange>>> (string name, bool? plan, HttpRequest request, CancellationToken ct) =>
            {
                NicTuningRequest wanted = await RequestBody.ReadAsync(request, WireJson.Default.NicTuningRequest, ct);
                return TypedResults.Ok(await Task.Run(() => HostTuning.Tune(name, wanted, plan ?? false), CancellationToken.None));
            })
            .Accepts<NicTuningRequest>("application/json")
            .WithSummary("Changes an interface, each setting noted first; where one is refused nothing is changed. With plan=true tells what would be done");
        v1.MapPost("/nics/{name}/irqs", async Task<Ok<IReadOnlyList<TuningChange>>> (string name, bool? plan, HttpRequest request, CancellationToken ct) =>
            {
                IrqAffinityRequest wanted = await RequestBody.ReadAsync(request, WireJson.Default.IrqAffinityRequest, ct);
                return TypedResults.Ok(await Task.Run(() => HostTuning.SetIrqs(name, wanted, plan ?? false), CancellationToken.None));
            })
            .Accepts<IrqAffinityRequest>("application/json")
            .WithSummary("Has an interface's IRQs go to CPUs, one queue each");
        v1.MapPost("/host/optimize", async Task<Ok<IReadOnlyList<TuningChange>>> (bool? plan, HttpRequest request, CancellationToken ct) =>
            {
                OptimizeRequest wanted = await RequestBody.ReadAsync(request, WireJson.Default.OptimizeRequest, ct);
                return TypedResults.Ok(await Task.Run(() => HostTuning.Optimize(wanted, plan ?? false), CancellationToken.None));
            })
            .Accepts<OptimizeRequest>("application/json")
            .WithSummary("Tunes interfaces and host for IPsec, as far as they can be");
        v1.MapPost("/host/restore", async Task<Ok<IReadOnlyList<TuningChange>>> (bool? plan) => TypedResults.Ok(await Task.Run(() => HostTuning.Restore(plan ?? false), CancellationToken.None)))
            .WithSummary("Puts back everything that was changed on the host, what was changed last first");
    }

    private static bool WaitsForAll(string? wait) => wait switch
    {
        null or "fallback" => false,
        "child-sas" => true,
        _ => throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"wait: '{wait}' is not allowed; allowed are fallback and child-sas"),
    };

    private static async Task<Wire.ChildSa> FindChildSaAsync(TunnelKeeper keeper, string name, int number, CancellationToken cancellationToken)
        => (await keeper.FindAsync(name, cancellationToken)).ChildSas.FirstOrDefault(c => c.Number == number)
            ?? throw new ApiException(StatusCodes.Status404NotFound, "not-found", $"Tunnel '{name}' has no Child SA {number}.");

    private static Dictionary<uint, string> TunnelsByRequestId(TunnelKeeper keeper) => keeper.Names.ToDictionary(KernelIds.RequestIdOf);
}
