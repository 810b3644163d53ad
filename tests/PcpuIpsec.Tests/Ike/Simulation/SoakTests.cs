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

    public static TheoryData<int> FewSeeds => [.. Enumerable.Range(1, 40)];

    [Theory]
    [MemberData(nameof(FewSeeds))]
    public void Reauthentication_restarts_idling_and_a_NAT_that_moves_leave_both_ends_agreed(int seed)
    {
        Random random = new(seed);
        Simulation simulation = new Simulation(seed)
        {
            NatBeforeWest = seed % 3 == 0,
            Loss = seed % 2 == 0 ? 0.1 : 0,
            MaxDelay = TimeSpan.FromMilliseconds(random.Next(5, 40)),
        };
        IkeConnection Lively(IkeConnection c) => c with { IdleTime = TimeSpan.FromSeconds(20), LivenessInterval = TimeSpan.FromSeconds(5), OnDemand = seed % 4 == 0 };
        simulation.Configure(Lively);
        simulation.West.Process(new InitiateConnection("lab"));
        simulation.Run(TimeSpan.FromSeconds(8));
        for (int i = 0; i < 25; i++)
        {
            SimulatedHost host = random.Next(2) == 0 || simulation.NatBeforeWest ? simulation.West : simulation.East;
            switch (random.Next(8))
            {
                case 0 when host.State == "up":
                    host.Reauthenticate();
                    break;
                case 1 when random.Next(3) == 0:
                    if (random.Next(2) == 0)
                        host.Restart();
                    else
                        host.RestartBesideItsKernel();
                    host.Process(new AddConnection(Simulation.Connection(host == simulation.West, Lively)));
                    host.Process(new InitiateConnection("lab"));
                    break;
                case 2:
                    simulation.NatShift += simulation.NatBeforeWest ? 1 : 0;
                    break;
                case 3 when host.OutboundOf(null) is { } fallback:
                    host.Packets[(SaDirection.Outbound, fallback.Spi)] = host.Packets.GetValueOrDefault((SaDirection.Outbound, fallback.Spi)) + 5;
                    break;
                case 4:
                    host.Process(new Acquire("lab", random.Next(5) is var cpu && cpu == 4 ? null : cpu, TrafficSelector.Parse("10.1.0.7"), TrafficSelector.Parse("10.2.0.9")));
                    break;
                default:
                    Act(simulation, random);
                    break;
            }

            simulation.Run(TimeSpan.FromMilliseconds(random.Next(0, 4000)));
        }

        simulation.Loss = 0;
        simulation.Run(TimeSpan.FromMinutes(10));
        if (Environment.GetEnvironmentVariable("SOAK_TRACE") == seed.ToString(System.Globalization.CultureInfo.InvariantCulture))
            simulation.Trace();
        Assert.Equal("up", simulation.West.State);
        Assert.Equal(simulation.West.Connection.InitiatorSpi, simulation.East.Connection.InitiatorSpi);
        Assert.Empty(simulation.West.KeyReuse);
        Assert.Empty(simulation.East.KeyReuse);
        if (!simulation.NatBeforeWest)
            simulation.AssertConsistent();
        else
            Assert.All(simulation.East.Outbound, s => Assert.Equal(Simulation.NatPort(4500) + simulation.NatShift, s.Encapsulation!.DestinationPort));
        foreach (SimulatedHost host in new[] { simulation.West, simulation.East })
            Assert.Single(host.Children, c => c.IsFallback && c.OutboundInstalled);
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
