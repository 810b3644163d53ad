namespace PcpuIpsec.Tests.Ike.Simulation;

public class ConnectTests
{
    [Fact]
    public void A_fallback_and_one_Child_SA_per_CPU_come_up_at_both_ends()
    {
        Simulation simulation = Simulation.Connected();
        Assert.Equal("up", simulation.West.Connection.State);
        Assert.True(simulation.West.Connection.PerResource);
        foreach (SimulatedHost host in new[] { simulation.West, simulation.East })
        {
            Assert.Single(host.Children, c => c.IsFallback && c.Cpu is null);
            Assert.Equal([0, 1, 2, 3], host.Children.Where(c => !c.IsFallback).Select(c => c.Cpu!.Value).Order());
            Assert.Equal(5, host.Outbound.Count());
        }
        simulation.AssertConsistent();
    }
}
