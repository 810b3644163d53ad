using PcpuIpsec.Ike;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>Lives of two gateways with everything going on at once, from seeds; a seed that fails is a test.</summary>
public class SoakTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 120)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Whatever_both_ends_do_at_once_they_agree_when_it_is_quiet(int seed)
    {
        Random random = new(seed);
        Simulation simulation = new Simulation(seed)
        {
            Loss = seed % 3 == 0 ? 0 : random.NextDouble() * 0.2,
            Duplication = random.NextDouble() * 0.1,
            MinDelay = TimeSpan.FromMilliseconds(1),
            MaxDelay = TimeSpan.FromMilliseconds(random.Next(1, 60)),
        }.Configure(c => c with { RetransmitInitial = TimeSpan.FromMilliseconds(200), RetransmitGiveUp = TimeSpan.FromSeconds(60), LivenessInterval = TimeSpan.FromSeconds(5), WindowSize = seed % 4 == 0 ? 1 : 16 });
        simulation.West.Process(new InitiateConnection("lab"));
        if (seed % 5 == 0)
            simulation.East.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(8));
        for (int i = 0; i < 30; i++)
        {
            Act(simulation, random);
            if (random.Next(2) == 0)
                Act(simulation, random);
            simulation.Run(TimeSpan.FromMilliseconds(random.Next(0, 400)));
        }
        simulation.Loss = simulation.Duplication = 0;
        simulation.Run(TimeSpan.FromMinutes(5));
        if (Environment.GetEnvironmentVariable("SOAK_TRACE") == seed.ToString(System.Globalization.CultureInfo.InvariantCulture))
            simulation.Trace();

        Assert.Equal("up", simulation.West.Connection.State);
        Assert.Equal("up", simulation.East.Connection.State);
        Assert.Equal(simulation.West.Connection.InitiatorSpi, simulation.East.Connection.InitiatorSpi);
        simulation.AssertConsistent();
        foreach (SimulatedHost host in new[] { simulation.West, simulation.East })
        {
            Assert.Single(host.Children, c => c.IsFallback);
            Assert.Equal([0, 1, 2, 3], host.Children.Where(c => c.Cpu is not null && c.OutboundInstalled).Select(c => c.Cpu!.Value).Distinct().Order());
        }
    }

    private static void Act(Simulation simulation, Random random)
    {
        SimulatedHost host = random.Next(2) == 0 ? simulation.West : simulation.East;
        SimulatedHost other = host == simulation.West ? simulation.East : simulation.West;
        IReadOnlyList<ChildSaInfo> children = host.Children;
        switch (random.Next(7))
        {
            case 0 or 1 when children.Count > 0:
                host.Process(new RekeyChild("lab", children[random.Next(children.Count)].Number));
                break;
            case 2 when children.Count > 0:
                // The same one from both ends.
                ChildSaInfo child = children[random.Next(children.Count)];
                host.Process(new RekeyChild("lab", child.Number));
                if (other.Children.FirstOrDefault(c => c.InboundSpi == child.OutboundSpi) is { } same)
                    other.Process(new RekeyChild("lab", same.Number));
                break;
            case 3 when children.Count > 0:
                host.Process(new CloseChild("lab", children[random.Next(children.Count)].Number));
                break;
            case 4:
                host.Process(new RekeyIke("lab"));
                if (random.Next(2) == 0)
                    other.Process(new RekeyIke("lab"));
                break;
            case 5:
                host.Process(new CheckLiveness("lab"));
                break;
            case 6:
                int cpu = random.Next(4);
                host.Process(new CpuChanged(cpu, false));
                simulation.Run(TimeSpan.FromMilliseconds(random.Next(0, 200)));
                host.Process(new CpuChanged(cpu, true));
                break;
        }
    }
}
