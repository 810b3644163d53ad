using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Exchanges;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Resources;

namespace PcpuIpsec.Gateway;

/// <summary>One connection as it stands.</summary>
internal sealed record ConnectionSnapshot(string Connection, string State, ulong InitiatorSpi, ulong ResponderSpi, bool IsInitiator, IPEndPoint? Local, IPEndPoint? Remote, ChosenSuite? Suite, bool PerResource, IReadOnlyList<ChildSaInfo> Children);

/// <summary>
/// The gateway without its edges: the IKE engine and the groups of Child SAs, joined. Events in, effects out; no socket,
/// clock, thread or randomness of its own, so that pairs of these run in simulation.
/// </summary>
internal sealed class GatewayCore : IGatewayCore, IResourceKeeper
{
    private readonly IkeEngine _engine;
    private readonly IRandomSource _random;
    private readonly Dictionary<string, Group> _groups = [];
    private readonly Dictionary<int, bool> _cpus = [];
    private readonly List<GroupAction> _actions = [];

    public GatewayCore(IRandomSource random, CoreLimits limits)
    {
        _random = random;
        _engine = new IkeEngine(random, limits, this);
    }

    /// <summary>Its IKE SAs.</summary>
    public IkeEngine Engine => _engine;

    /// <summary>What was dropped, repeated or refused, by name, over the core's life.</summary>
    public IReadOnlyDictionary<string, long> Counters => _engine.Runtime.Counters;

    /// <summary>IKE SAs that take memory: live, half-open and lingering.</summary>
    public int IkeSaCount => _engine.IkeSaCount;

    /// <summary>When <see cref="TimePassed"/> is next of use.</summary>
    public TimeSpan? NextDeadline
    {
        get
        {
            TimeSpan? next = _engine.Runtime.NextDeadline;
            foreach (Group group in _groups.Values)
                next = group.Children.NextDeadline is { } deadline && !(next <= deadline) ? deadline : next;
            return next;
        }
    }

    /// <summary>Handles one event; what is to be done is appended in order.</summary>
    public void Process(IkeEvent e, TimeSpan now, List<IkeEffect> effects)
    {
        int from = effects.Count;
        _engine.Runtime.Begin(now, effects);
        Handle(e);
        _engine.Runtime.RunTimers();
        // What the groups want is done by the engine, which tells the groups, until all are content. Bounded: each turn
        // either begins an exchange, which ends in a later event, or takes something away.
        for (int turn = 0; turn < 64 && Turn(effects, ref from); turn++)
        {
        }
    }

    public IReadOnlyList<ConnectionSnapshot> Snapshot() => [.. _engine.Connections.Select(Snapshot)];

    public ConnectionSnapshot? Snapshot(string connection) => _engine.Find(connection) is { } state ? Snapshot(state) : null;

    private static ConnectionSnapshot Snapshot(ConnectionState state)
    {
        IkeSa? sa = state.Current?.Current ?? state.Connecting;
        string name = state.Connection.Name;
        return sa is null
            ? new ConnectionSnapshot(name, "down", 0, 0, false, null, null, null, false, [])
            : new ConnectionSnapshot(name, state.Current is null ? "connecting" : "up", sa.SpiI, sa.SpiR, sa.IsInitiator, sa.Local, sa.Remote, sa.Suite, sa.Session.PerResource, [.. sa.Session.Live.Where(c => c.Announced).Select(c => c.ToInfo())]);
    }

    private void Handle(IkeEvent e)
    {
        switch (e)
        {
            case DatagramReceived datagram:
                _engine.Receive(datagram);
                break;
            case IkeCompletion completion:
                _engine.Runtime.Complete(completion);
                break;
            case AddConnection add:
                _engine.Add(add.Connection);
                _groups.Add(add.Connection.Name, NewGroup(add.Connection));
                break;
            case CpuChanged cpu:
                _cpus[cpu.Cpu] = cpu.Online;
                foreach (Group group in _groups.Values.Where(g => g.Cpus.Contains(cpu.Cpu)))
                    group.Children.CpuChanged(cpu.Cpu, cpu.Online, Now);
                break;
            case PeerSeen seen:
                if (FindChild(c => c.InboundSpi == seen.Spi) is (IkeSession found, _))
                    found.Current.PeerSeen(seen.Remote);
                break;
            case InboundTraffic inbound:
                if (FindChild(c => c.InboundSpi == inbound.Spi) is (IkeSession session, ChildSa child))
                    IkeRuntime.Run(ChildSaInstallation.InstallOutbound(session.Current, child));
                break;
            case LifetimeReached reached:
                Expire(reached);
                break;
            case TimePassed:
                break;
            case IkeCommand command:
                Command(command);
                break;
        }
    }

    private void Command(IkeCommand command)
    {
        string name = command switch
        {
            InitiateConnection c => c.Connection,
            CloseConnection c => c.Connection,
            RekeyChild c => c.Connection,
            CloseChild c => c.Connection,
            RekeyIke c => c.Connection,
            CheckLiveness c => c.Connection,
            Acquire c => c.Connection,
            _ => throw new InvalidOperationException($"{command.GetType().Name} is no command of the core."),
        };
        if (_engine.Find(name) is not { } state)
            return;
        IkeSession? session = state.Current;
        switch (command)
        {
            case InitiateConnection:
                _engine.Initiate(state);
                break;
            case CloseConnection close:
                _engine.Close(state, close.Forget);
                if (close.Forget)
                    _groups.Remove(name);
                break;
            case RekeyChild rekey when session?.FindLive(rekey.Number) is { } child:
                IkeRuntime.Run(CreateChildSa.Rekey(session, child, rekey.NewCpu));
                break;
            case CloseChild close when session?.FindLive(close.Number) is { } child:
                IkeRuntime.Run(Informational.DeleteChild(session, child, "it was asked for"));
                break;
            case RekeyIke when session is not null:
                IkeRuntime.Run(RekeyIkeSa.Initiate(session));
                break;
            case CheckLiveness when session is not null:
                IkeRuntime.Run(Informational.CheckLiveness(session.Current));
                break;
            case Acquire when session is null:
                _engine.InitiateForTraffic(state);
                break;
            case Acquire acquire:
                _groups[name].Children.Acquire(acquire.Cpu, acquire.TriggerLocal, acquire.TriggerRemote, Now);
                break;
        }
    }

    private void Expire(LifetimeReached reached)
    {
        if (FindChild(c => reached.Direction == SaDirection.Inbound ? c.InboundSpi == reached.Spi : c.OutboundSpi == reached.Spi && reached.Destination.Equals(c.Remote?.Address)) is not (IkeSession session, ChildSa child))
            return;
        if (reached.Hard)
            IkeRuntime.Run(Informational.DeleteChild(session, child, "its lifetime has ended"));
        else
            IkeRuntime.Run(CreateChildSa.Rekey(session, child, null));
    }

    private (IkeSession, ChildSa)? FindChild(Func<ChildSa, bool> predicate)
    {
        foreach (IkeSession session in _engine.Connections.SelectMany(s => s.Sessions))
        {
            if (session.Live.FirstOrDefault(predicate) is { } child)
                return (session, child);
        }
        return null;
    }

    // Tells the groups what was reported since, and does what they want; true where something was done.
    private bool Turn(List<IkeEffect> effects, ref int from)
    {
        foreach (ConnectionState state in _engine.Connections)
            Attach(state, _groups[state.Connection.Name]);
        for (; from < effects.Count; from++)
        {
            if (effects[from] is Report { Notice: { } notice } && _groups.GetValueOrDefault(notice.Connection) is { Session: not null } group)
                Tell(group, notice);
        }
        bool acted = false;
        foreach ((string name, Group group) in _groups.ToArray())
        {
            if (group.Children.NextDeadline <= Now)
                group.Children.Tick(Now);
            _actions.Clear();
            group.Children.TakeActions(_actions);
            foreach (GroupAction action in _actions.ToArray())
            {
                if (group.Session is { } session)
                    Act(group, session, action);
                acted = true;
            }
            if (group.Children.AcquiresAllowed != group.AcquiresAllowed)
            {
                group.AcquiresAllowed = group.Children.AcquiresAllowed;
                _engine.Runtime.Emit(new AllowAcquires(name, group.AcquiresAllowed));
            }
        }
        return acted || from < effects.Count;
    }

    // A group serves one session at a time, the one that carries the connection.
    private void Attach(ConnectionState state, Group group)
    {
        if (group.Session == state.Current)
            return;
        if (group.Session is not null)
            group.Children.IkeSaDown(Now);
        group.Session = state.Current;
        group.Known.Clear();
        if (state.Current is not { } session)
            return;
        group.Children.IkeSaUp(session.InitiatedByUs, session.PerResource, session.SetupTime, Now);
        foreach (ChildSa child in session.Live.Where(c => c.Announced))
            Tell(group, new ChildSaEstablished(state.Connection.Name, child.ToInfo()));
    }

    private void Tell(Group group, IkeNotice notice)
    {
        switch (notice)
        {
            case ChildSaEstablished up when group.Session!.FindLive(up.Child.Number) is not null && group.Known.Add(up.Child.Number):
                group.Children.ChildUp(up.Child, Now);
                break;
            case ChildSaRekeyed rekeyed when group.Session!.FindLive(rekeyed.Child.Number) is not null:
                if (group.Known.Add(rekeyed.Child.Number))
                    group.Children.ChildUp(rekeyed.Child, Now);
                else
                    group.Children.ChildRekeyed(rekeyed.Child, Now);
                break;
            case ChildSaClosed closed when group.Known.Remove(closed.Child.Number):
                group.Children.ChildDown(closed.Child.Number, closed.ByPeer, Now);
                break;
            case ChildSaFailed failed:
                group.Children.CreateFailed(failed.Cpu, FailureOf(failed.Notify), Now);
                break;
            case ChildSaRekeyFailed { NewCpu: { } cpu } failed:
                group.Children.CreateFailed(cpu, FailureOf(failed.Notify), Now);
                break;
        }
    }

    private static CreateFailure FailureOf(NotifyType? notify) => notify switch
    {
        NotifyType.TS_MAX_QUEUE => CreateFailure.TsMaxQueue,
        NotifyType.NO_ADDITIONAL_SAS => CreateFailure.NoAdditionalSas,
        NotifyType.TEMPORARY_FAILURE => CreateFailure.Temporary,
        _ => CreateFailure.Other,
    };

    private void Act(Group group, IkeSession session, GroupAction action)
    {
        switch (action)
        {
            case CreateForCpu create:
                IkeRuntime.Run(CreateChildSa.Create(session, create.Cpu, create.TriggerLocal, create.TriggerRemote));
                break;
            case CreateFallback:
                IkeRuntime.Run(CreateChildSa.Create(session, null, null, null));
                break;
            case DeleteChild delete when session.FindLive(delete.Number) is { } child:
                IkeRuntime.Run(Informational.DeleteChild(session, child, delete.Idle ? "nobody uses it" : "it is surplus"));
                break;
            case BindOutbound bind when session.FindLive(bind.Number) is { } child:
                (child.IsSurplus, child.Cpu) = (false, bind.Cpu);
                IkeRuntime.Run(ChildSaInstallation.InstallOutbound(session.Current, child));
                break;
            case UnbindOutbound unbind when session.FindLive(unbind.Number) is { } child:
                ChildSaInstallation.SkipOutbound(session.Current, child);
                break;
            case ReadUsage:
                IkeRuntime.Run(ReadUsageOf(group, session));
                break;
            case MoveChild move when session.FindLive(move.Number) is { } child:
                IkeRuntime.Run(CreateChildSa.Rekey(session, child, move.Cpu));
                break;
        }
    }

    private async Step<bool> ReadUsageOf(Group group, IkeSession session)
    {
        List<ChildUsage> usage = [];
        try
        {
            SaUsageRead read = await _engine.Runtime.Ask<SaUsageRead>(session, id => new ReadSaUsage(id, session.Current.Connection.Name));
            Dictionary<(SaDirection, uint), long> packets = [];
            foreach (SaUsage sa in read.Usage)
                packets[(sa.Direction, sa.Spi)] = sa.Packets;
            foreach (ChildSa child in session.Live.Where(c => c.Announced))
            {
                if (packets.TryGetValue((SaDirection.Inbound, child.InboundSpi), out long received))
                    usage.Add(new ChildUsage(child.Number, packets.GetValueOrDefault((SaDirection.Outbound, child.OutboundSpi)), received));
            }
        }
        catch (ExchangeFailure)
        {
            // Asked again later; where the session has gone, so has the question.
        }
        if (group.Session == session)
            group.Children.Usage(usage, Now);
        return true;
    }

    private TimeSpan Now => _engine.Runtime.Now;

    private Group NewGroup(IkeConnection connection)
    {
        IReadOnlyList<int> cpus = connection.PerCpu ? connection.Cpus : [];
        ChildSaGroup children = new(new GroupOptions(cpus, connection.MaxChildSas, connection.OnDemand, connection.IdleTime), _random);
        foreach ((int cpu, bool online) in _cpus)
        {
            if (!online && cpus.Contains(cpu))
                children.CpuChanged(cpu, false, Now);
        }
        return new Group(children, cpus);
    }

    // A session that is about to go, both ends having begun at once, gets no place that one of the group's own would wait for.
    Placement IResourceKeeper.Place(string connection, IkeSession session)
        => !_groups.TryGetValue(connection, out Group? group) ? new Placement(Refused: true, Cpu: null)
            : group.Session == session ? group.Children.Place(Now)
            : new Placement(Refused: true, Cpu: null, Temporary: true);

    void IResourceKeeper.PlacementFailed(string connection, Placement placement)
    {
        if (_groups.TryGetValue(connection, out Group? group))
            group.Children.PlacementFailed(placement, Now);
    }

    byte[] IResourceKeeper.ResourceIdentifier(string connection, int? cpu)
        => _groups.TryGetValue(connection, out Group? group) ? group.Children.ResourceIdentifier(cpu) : [];

    private sealed record Group(ChildSaGroup Children, IReadOnlyList<int> Cpus)
    {
        public IkeSession? Session { get; set; }

        public bool AcquiresAllowed { get; set; }

        /// <summary>The numbers that the group was told of.</summary>
        public HashSet<int> Known { get; } = [];
    }
}
