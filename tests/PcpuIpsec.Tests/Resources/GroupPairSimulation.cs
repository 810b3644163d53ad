using PcpuIpsec.Resources;

namespace PcpuIpsec.Tests.Resources;

/// <summary>What one run is made of.</summary>
internal sealed record PairScenario(int Seed, int InitiatorCpus, int ResponderCpus, int InitiatorLimit, int ResponderLimit, bool InitiatorOnDemand, bool ResponderOnDemand)
{
    public TimeSpan MostDelay { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>How likely an exchange fails, within the first half minute.</summary>
    public double Failures { get; init; }

    /// <summary>CPUs that go off and on within the first minute.</summary>
    public int Flaps { get; init; }

    /// <summary>Child SAs, the fallback among them, that somebody deletes within the first minute.</summary>
    public int Deletions { get; init; }
}

/// <summary>
/// Two groups, and between them a network and two IKE daemons as far as groups can tell: exchanges take time, overtake one another
/// and fail; outbound halves are where the groups put them. Checks after every step what must always hold.
/// </summary>
internal sealed class GroupPairSimulation
{
    private readonly PairScenario _scenario;
    private readonly Random _random;
    private readonly PriorityQueue<Action, (TimeSpan At, int Order)> _events = new();
    private int _order;
    private int _number;

    public GroupPairSimulation(PairScenario scenario)
    {
        _scenario = scenario;
        _random = new Random(scenario.Seed);
        Initiator = new End(scenario.InitiatorCpus, scenario.InitiatorLimit, scenario.InitiatorOnDemand, scenario.Seed * 2);
        Responder = new End(scenario.ResponderCpus, scenario.ResponderLimit, scenario.ResponderOnDemand, (scenario.Seed * 2) + 1);
        Initiator.Peer = Responder;
        Responder.Peer = Initiator;
    }

    public End Initiator { get; }
    public End Responder { get; }
    public TimeSpan Now { get; private set; }
    public int InjectedFailures { get; private set; }
    public int Refusals { get; private set; }

    /// <summary>One Child SA at one end, as its data plane has it.</summary>
    internal sealed class Half(bool ours, bool fallback)
    {
        public bool Ours { get; } = ours;
        public bool Fallback { get; } = fallback;
        public int? Cpu { get; set; }

        /// <summary>Packets may have gone out with the present keys.</summary>
        public bool Used { get; set; }
        public bool Leaving { get; set; }
    }

    internal sealed class End(int cpus, int limit, bool onDemand, int seed)
    {
        public ChildSaGroup Group { get; } = new(new GroupOptions([.. Enumerable.Range(0, cpus)], limit, onDemand), new SeededChance(seed));
        public int Cpus { get; } = cpus;
        public int Limit { get; } = limit;
        public bool OnDemand { get; } = onDemand;
        public HashSet<int> Offline { get; } = [];

        /// <summary>CPUs that send.</summary>
        public HashSet<int> Senders { get; } = [];
        public Dictionary<int, Half> Halves { get; } = [];

        /// <summary>Deleted by the peer before we knew of them.</summary>
        public HashSet<int> Doomed { get; } = [];
        public List<(TimeSpan At, GroupAction Action)> Log { get; } = [];
        public End Peer { get; set; } = null!;
        public IEnumerable<int> Online => Enumerable.Range(0, Cpus).Where(c => !Offline.Contains(c));
        public int PerCpu => Halves.Values.Count(h => !h.Fallback);
        public int Requests => Log.Count(l => l.Action is CreateForCpu);
        public bool HasOwn(int cpu) => Halves.Values.Any(h => h.Cpu == cpu);
    }

    /// <summary>Runs until the time, every deadline of a group met.</summary>
    public void Run(TimeSpan until)
    {
        for (int step = 0; ; step++)
        {
            Assert.True(step < 200_000, $"{_scenario}: no end of steps at {Now}.");
            TimeSpan next = _events.TryPeek(out _, out (TimeSpan At, int Order) first) ? first.At : TimeSpan.MaxValue;
            foreach (End end in (End[])[Initiator, Responder])
            {
                if (end.Group.NextDeadline is { } deadline && deadline < next)
                    next = deadline;
            }

            if (next > until)
                break;
            Now = next > Now ? next : Now;
            if (_events.Count > 0 && first.At <= Now)
                _events.Dequeue()();
            foreach (End end in (End[])[Initiator, Responder])
            {
                if (end.Group.NextDeadline <= Now)
                {
                    end.Group.Tick(Now);
                    Settle(end);
                    Assert.False(end.Group.NextDeadline <= Now, $"{_scenario}: a tick at {Now} leaves a deadline in the past.");
                }
            }
        }

        Now = until;
    }

    public void Start()
    {
        In(TimeSpan.Zero, () => Input(Responder, g => g.IkeSaUp(weInitiated: false, perResource: true, Seconds(1), Now)));
        In(TimeSpan.Zero, () => Establish(Responder, ++_number, ours: false, fallback: true, cpu: null));
        In(Delay(), () => Input(Initiator, g => g.IkeSaUp(weInitiated: true, perResource: true, Seconds(1), Now)));
        In(_scenario.MostDelay, () => Establish(Initiator, 1, ours: true, fallback: true, cpu: null));
        foreach (End end in (End[])[Initiator, Responder])
        {
            for (int i = 0; i < _scenario.Flaps; i++)
                Flap(end);
            for (int i = 0; i < _scenario.Deletions; i++)
                In(TimeSpan.FromSeconds(5) + Seconds(55), () => DeleteAny(end));
            if (end.OnDemand)
            {
                for (int cpu = 0; cpu < end.Cpus; cpu++)
                    Send(end, cpu);
            }
        }
    }

    private void Flap(End end)
    {
        int cpu = _random.Next(end.Cpus);
        TimeSpan off = Seconds(50);
        In(off, () =>
        {
            end.Offline.Add(cpu);
            Input(end, g => g.CpuChanged(cpu, online: false, Now));
        });
        if (_random.Next(3) > 0)
        {
            In(off + Seconds(10), () =>
            {
                end.Offline.Remove(cpu);
                Input(end, g => g.CpuChanged(cpu, online: true, Now));
            });
        }
    }

    private void DeleteAny(End end)
    {
        int[] numbers = [.. end.Halves.Where(h => !h.Value.Leaving).Select(h => h.Key)];
        if (numbers.Length > 0)
            Delete(end, numbers[_random.Next(numbers.Length)]);
    }

    /// <summary>A sender without an SA of its own raises an acquire a second, as a kernel whose acquires expire.</summary>
    private void Send(End end, int cpu)
    {
        if (_random.Next(4) == 0)
            return;
        end.Senders.Add(cpu);
        In(Seconds(5), Try);

        void Try()
        {
            bool served = end.HasOwn(cpu);
            if (!served && !end.Offline.Contains(cpu))
                Input(end, g => g.Acquire(cpu, null, null, Now));
            if (Now < TimeSpan.FromMinutes(40))
                In(TimeSpan.FromSeconds(served ? 20 : 1), Try);
        }
    }

    private TimeSpan Seconds(int most) => TimeSpan.FromSeconds(_random.NextDouble() * most);

    private TimeSpan Delay() => _scenario.MostDelay * _random.NextDouble();

    private bool Fails()
    {
        if (Now > TimeSpan.FromSeconds(30) || _random.NextDouble() >= _scenario.Failures)
            return false;
        InjectedFailures++;
        return true;
    }

    private void In(TimeSpan delay, Action what) => _events.Enqueue(what, (Now + delay, _order++));

    private void Input(End end, Action<ChildSaGroup> input)
    {
        input(end.Group);
        Settle(end);
    }

    private void Settle(End end)
    {
        List<GroupAction> actions = [];
        end.Group.TakeActions(actions);
        foreach (GroupAction action in actions)
        {
            end.Log.Add((Now, action));
            switch (action)
            {
                case CreateForCpu create:
                    Assert.DoesNotContain(create.Cpu, end.Offline);
                    In(Delay(), () => Requested(end, create.Cpu));
                    break;
                case CreateFallback:
                    In(Delay(), () => FallbackRequested(end));
                    break;
                case DeleteChild delete:
                    Assert.True(end.Log.Count(l => l.Action == action) == 1, $"{_scenario}: {delete} twice.");
                    if (!end.Halves[delete.Number].Leaving)
                        Delete(end, delete.Number);
                    break;
                case BindOutbound bind:
                    Half bound = end.Halves[bind.Number];
                    Assert.False(bound.Used, $"{_scenario}: {bind} would use the same keys from sequence number 1 again.");
                    bound.Cpu = bind.Cpu;
                    bound.Used = true;
                    break;
                case UnbindOutbound unbind:
                    end.Halves[unbind.Number].Cpu = null;
                    break;
                case MoveChild move:
                    Assert.Null(end.Halves[move.Number].Cpu);
                    In(Delay(), () => RekeyRequested(end, move));
                    break;
            }
        }

        Check(end);
    }

    private void Requested(End end, int cpu)
    {
        End peer = end.Peer;
        if (Fails())
        {
            In(Delay(), () => Input(end, g => g.CreateFailed(cpu, _random.Next(2) == 0 ? CreateFailure.Temporary : CreateFailure.Other, Now)));
            return;
        }

        Placement placement = peer.Group.Place(Now);
        Settle(peer);
        if (placement.Refused)
        {
            Refusals++;
            In(Delay(), () => Input(end, g => g.CreateFailed(cpu, placement.Temporary ? CreateFailure.Temporary : CreateFailure.TsMaxQueue, Now)));
            return;
        }

        if (Fails())
        {
            In(Delay() / 10, () => Input(peer, g => g.PlacementFailed(placement, Now)));
            In(Delay(), () => Input(end, g => g.CreateFailed(cpu, CreateFailure.Other, Now)));
            return;
        }

        int number = ++_number;
        TimeSpan installation = Delay() / 10;
        In(installation, () => Establish(peer, number, ours: false, fallback: false, placement.Cpu));
        In(installation + Delay(), () =>
        {
            if (end.Doomed.Remove(number))
            {
                Input(end, g => g.CreateFailed(cpu, CreateFailure.Temporary, Now));
            }
            else if (Fails())
            {
                Input(end, g => g.CreateFailed(cpu, CreateFailure.Other, Now));
                In(Delay(), () => Gone(peer, number, byPeer: true));
            }
            else
            {
                Establish(end, number, ours: true, fallback: false, cpu);
            }
        });
    }

    private void FallbackRequested(End end)
    {
        if (Fails())
        {
            In(Delay(), () => Input(end, g => g.CreateFailed(null, CreateFailure.Other, Now)));
            return;
        }

        int number = ++_number;
        Establish(end.Peer, number, ours: false, fallback: true, cpu: null);
        In(Delay(), () =>
        {
            if (end.Doomed.Remove(number))
                Input(end, g => g.CreateFailed(null, CreateFailure.Temporary, Now));
            else
                Establish(end, number, ours: true, fallback: true, cpu: null);
        });
    }

    private void Establish(End end, int number, bool ours, bool fallback, int? cpu)
    {
        end.Halves.Add(number, new Half(ours, fallback) { Cpu = cpu, Used = cpu is not null });
        Input(end, g => g.ChildUp(GroupUnderTest.Info(number, cpu, ours, fallback), Now));
    }

    private void Delete(End end, int number)
    {
        end.Halves[number].Leaving = true;
        In(Delay(), () => Gone(end.Peer, number, byPeer: true));
        In(_scenario.MostDelay * 2, () => Gone(end, number, byPeer: false));
    }

    private void Gone(End end, int number, bool byPeer)
    {
        if (end.Halves.Remove(number))
            Input(end, g => g.ChildDown(number, byPeer, Now));
        else if (byPeer && end.Peer.Halves.ContainsKey(number))
            end.Doomed.Add(number);
    }

    private void RekeyRequested(End end, MoveChild move)
    {
        if (!end.Peer.Halves.TryGetValue(move.Number, out Half? other) || Fails())
        {
            In(Delay(), () =>
            {
                if (end.Halves.ContainsKey(move.Number))
                    Input(end, g => g.CreateFailed(move.Cpu, CreateFailure.Temporary, Now));
            });
            return;
        }

        other.Used = other.Cpu is not null;
        Input(end.Peer, g => g.ChildRekeyed(GroupUnderTest.Info(move.Number, other.Cpu, other.Ours, other.Fallback), Now));
        In(Delay(), () =>
        {
            if (end.Halves.TryGetValue(move.Number, out Half? half))
            {
                half.Cpu = move.Cpu;
                half.Used = true;
                Input(end, g => g.ChildRekeyed(GroupUnderTest.Info(move.Number, half.Cpu, half.Ours, half.Fallback), Now));
            }
        });
    }

    private void Check(End end)
    {
        Assert.True(end.PerCpu <= end.Limit, $"{_scenario}: {end.PerCpu} Child SAs at {Now}, the limit is {end.Limit}.");
        HashSet<int> taken = [];
        foreach ((int number, Half half) in end.Halves)
        {
            if (half.Cpu is not { } cpu || half.Leaving)
                continue;
            Assert.True(taken.Add(cpu), $"{_scenario}: CPU {cpu} has two outbound SAs at {Now}.");
            Assert.False(end.Offline.Contains(cpu), $"{_scenario}: {number} serves CPU {cpu}, which is offline, at {Now}.");
        }
    }
}
