using PcpuIpsec.Resources;

namespace PcpuIpsec.Tests.Resources;

/// <summary>Two groups against each other, from a seed.</summary>
public class GroupPairTests
{
    private static readonly TimeSpan _quiet = TimeSpan.FromMinutes(50);
    private static readonly TimeSpan _end = TimeSpan.FromMinutes(60);

    private static readonly TimeSpan[] _delays = [TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(800), TimeSpan.FromSeconds(3)];

    [Fact]
    public void Any_pair_reaches_a_fixed_point_at_which_every_CPU_of_both_ends_has_its_own_outbound_SA()
    {
        for (int seed = 0; seed < 250; seed++)
        {
            Random random = new(seed);
            int initiator = random.Next(1, 17);
            int responder = random.Next(1, 17);
            int needed = Math.Max(initiator, responder);
            PairScenario scenario = new(seed, initiator, responder, needed + random.Next(needed + 1), needed + random.Next(needed + 1), random.Next(3) == 0, random.Next(3) == 0)
            {
                MostDelay = _delays[random.Next(_delays.Length)],
                Failures = random.Next(3) * 0.2,
                Flaps = random.Next(2) * random.Next(10),
                Deletions = random.Next(2) * random.Next(10),
            };
            GroupPairSimulation pair = new(scenario);
            pair.Start();
            pair.Run(_end);
            foreach (GroupPairSimulation.End end in (GroupPairSimulation.End[])[pair.Initiator, pair.Responder])
            {
                Assert.Single(end.Halves.Values, h => h.Fallback);
                foreach (int cpu in end.Online.Where(c => !end.OnDemand || end.Senders.Contains(c)))
                    Assert.True(end.HasOwn(cpu), $"{scenario}: CPU {cpu} has no outbound SA of its own.");
                Assert.DoesNotContain(end.Log, l => l.At >= _quiet);
            }

            Assert.Equal(pair.Initiator.Halves.Keys.Order(), pair.Responder.Halves.Keys.Order());
            int disturbances = pair.InjectedFailures + pair.Refusals + (2 * (scenario.Deletions + scenario.Flaps));
            int requests = pair.Initiator.Requests + pair.Responder.Requests;
            Assert.True(requests <= initiator + responder + (2 * disturbances), $"{scenario}: {requests} requests, {disturbances} disturbances.");
        }
    }

    [Fact]
    public void Undisturbed_and_proactive_there_are_as_many_Child_SAs_as_the_larger_end_has_CPUs()
    {
        for (int seed = 0; seed < 100; seed++)
        {
            Random random = new(seed);
            int initiator = random.Next(1, 17);
            int responder = random.Next(1, 17);
            PairScenario scenario = new(seed, initiator, responder, 32, 32, false, false) { MostDelay = _delays[random.Next(_delays.Length)] };
            GroupPairSimulation pair = new(scenario);
            pair.Start();
            pair.Run(_end);
            int expected = Math.Max(initiator, responder);
            Assert.True(pair.Initiator.PerCpu == expected, $"{scenario}: {pair.Initiator.PerCpu} per-CPU Child SAs.");
            Assert.Equal(expected, pair.Responder.PerCpu);
        }
    }

    [Fact]
    public void Limits_below_the_need_are_held_and_probed_seldom()
    {
        for (int seed = 0; seed < 100; seed++)
        {
            Random random = new(seed);
            int initiator = random.Next(2, 17);
            int responder = random.Next(2, 17);
            PairScenario scenario = new(seed, initiator, responder, random.Next(1, initiator + 1), random.Next(1, responder + 1), false, false)
            {
                MostDelay = _delays[random.Next(_delays.Length)],
                Failures = random.Next(2) * 0.3,
                Flaps = random.Next(2) * random.Next(10),
            };
            GroupPairSimulation pair = new(scenario);
            pair.Start();
            pair.Run(_end);
            int possible = Math.Min(scenario.InitiatorLimit, scenario.ResponderLimit);
            foreach (GroupPairSimulation.End end in (GroupPairSimulation.End[])[pair.Initiator, pair.Responder])
            {
                int served = end.Online.Count(end.HasOwn);
                Assert.True(served >= Math.Min(possible, end.Online.Count()), $"{scenario}: {served} CPUs served.");
                Assert.All(end.Log.Where(l => l.At >= _quiet), l => Assert.IsType<CreateForCpu>(l.Action));
                Assert.InRange(end.Log.Count(l => l.At >= _quiet), 0, 1);
            }
        }
    }

    [Theory]
    [InlineData(4, 2)]
    [InlineData(2, 4)]
    [InlineData(128, 1)]
    [InlineData(1, 128)]
    [InlineData(128, 128)]
    public void Unequal_ends_serve_every_CPU_of_the_larger_one(int initiator, int responder)
    {
        GroupPairSimulation pair = new(new PairScenario(7, initiator, responder, 256, 256, false, false));
        pair.Start();
        pair.Run(_end);
        int larger = Math.Max(initiator, responder);
        foreach (GroupPairSimulation.End end in (GroupPairSimulation.End[])[pair.Initiator, pair.Responder])
        {
            Assert.All(Enumerable.Range(0, end.Cpus), cpu => Assert.True(end.HasOwn(cpu)));
            Assert.Equal(larger, end.PerCpu);
            Assert.Equal(larger - end.Cpus, end.Halves.Values.Count(h => !h.Fallback && h.Cpu is null && !h.Used));
            Assert.DoesNotContain(end.Log, l => l.At > TimeSpan.FromSeconds(10));
        }

        Assert.Equal(larger, pair.Initiator.Requests + pair.Responder.Requests);
    }

    [Fact]
    public void Both_on_demand_and_sending_at_once_settle()
    {
        for (int seed = 0; seed < 100; seed++)
        {
            PairScenario scenario = new(seed, 8, 8, 16, 16, true, true) { MostDelay = TimeSpan.FromSeconds(1) };
            GroupPairSimulation pair = new(scenario);
            pair.Start();
            pair.Run(_end);
            Assert.All(pair.Initiator.Senders, cpu => Assert.True(pair.Initiator.HasOwn(cpu)));
            Assert.All(pair.Responder.Senders, cpu => Assert.True(pair.Responder.HasOwn(cpu)));
            Assert.DoesNotContain(pair.Initiator.Log, l => l.At >= _quiet);
            Assert.DoesNotContain(pair.Responder.Log, l => l.At >= _quiet);
        }
    }
}
