using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike;

/// <summary>What all IKE SAs of one engine share: the present, the effects, the questions asked of the world, timers, counters.</summary>
internal sealed class IkeRuntime(IRandomSource random)
{
    private readonly Dictionary<long, (object Owner, IkeRequest Request, Step<IkeCompletion> Step)> _asked = [];
    private readonly Dictionary<long, ReserveSpi> _givenUp = [];
    private readonly PriorityQueue<IkeTimer, (TimeSpan Due, long Order)> _timers = new();
    private readonly Dictionary<string, long> _counters = [];
    private List<IkeEffect> _effects = [];
    private long _lastId;
    private long _timerOrder;

    public TimeSpan Now { get; private set; }

    public IReadOnlyDictionary<string, long> Counters => _counters;

    /// <summary>Begins the handling of one event: effects go to this list from now on.</summary>
    public void Begin(TimeSpan now, List<IkeEffect> effects)
    {
        Now = now > Now ? now : Now;
        _effects = effects;
    }

    public void Emit(IkeEffect effect) => _effects.Add(effect);

    public void Notice(IkeNotice notice) => Emit(new Report(notice));

    public void Count(string counter) => _counters[counter] = _counters.GetValueOrDefault(counter) + 1;

    public byte[] RandomBytes(int length)
    {
        byte[] bytes = new byte[length];
        random.Fill(bytes);
        return bytes;
    }

    public ulong RandomUInt64() => BitConverter.ToUInt64(RandomBytes(8));

    /// <summary>A part of a span of time, 0 to the fraction of it, for jitter.</summary>
    public TimeSpan Jitter(TimeSpan span, double fraction) => span * (fraction * (RandomUInt64() >> 11) / (1UL << 53));

    /// <summary>Asks the world and waits for the answer; a <see cref="RequestFailed"/> becomes an <see cref="ExchangeFailure"/>.</summary>
    public async Step<T> Ask<T>(object owner, Func<long, IkeRequest> request, PcpuIpsecError onFailure = PcpuIpsecError.KernelRefused)
        where T : IkeCompletion
    {
        long id = ++_lastId;
        Step<IkeCompletion> step = new();
        IkeRequest asked = request(id);
        _asked.Add(id, (owner, asked, step));
        Emit(asked);
        IkeCompletion completion = await step;
        return completion switch
        {
            T answer => answer,
            RequestFailed failed => throw new ExchangeFailure(onFailure, failed.Reason),
            _ => throw new InvalidOperationException($"{completion.GetType().Name} does not answer a request for {typeof(T).Name}."),
        };
    }

    /// <summary>Takes an answer. One to a question that was given up is disposed.</summary>
    public void Complete(IkeCompletion completion)
    {
        if (_asked.Remove(completion.Id, out (object Owner, IkeRequest Request, Step<IkeCompletion> Step) asked))
        {
            asked.Step.TrySetResult(completion);
            return;
        }
        (completion as KeyPairGenerated)?.KeyPair.Dispose();
        (completion as SharedSecretDerived)?.Secret.Dispose();
        if (_givenUp.Remove(completion.Id, out ReserveSpi? given) && completion is SpiReserved reserved)
            Emit(new ReleaseSpi(reserved.Spi, given.Local, given.Remote));
    }

    /// <summary>Gives up all questions of an owner: what awaits them fails with <see cref="PcpuIpsecError.Aborted"/>.</summary>
    public void Abandon(object owner)
    {
        foreach (long id in _asked.Where(a => ReferenceEquals(a.Value.Owner, owner)).Select(a => a.Key).ToArray())
        {
            if (_asked.Remove(id, out (object Owner, IkeRequest Request, Step<IkeCompletion> Step) asked))
            {
                if (asked.Request is ReserveSpi reserve)
                    _givenUp.Add(id, reserve);
                asked.Step.TrySetException(new ExchangeFailure(PcpuIpsecError.Aborted, "the IKE SA went away"));
            }
        }
    }

    /// <summary>Runs an action once, after a delay, unless the timer is cancelled before.</summary>
    public IkeTimer After(TimeSpan delay, Action action)
    {
        IkeTimer timer = new(Now + delay, action);
        _timers.Enqueue(timer, (timer.Due, _timerOrder++));
        return timer;
    }

    public TimeSpan? NextDeadline
    {
        get
        {
            while (_timers.TryPeek(out IkeTimer? timer, out _))
            {
                if (!timer.Cancelled)
                    return timer.Due;
                _timers.Dequeue();
            }
            return null;
        }
    }

    /// <summary>Runs what is due.</summary>
    public void RunTimers()
    {
        // Those set while running wait for the next call where they are due at once: no event can loop for ever.
        long last = _timerOrder;
        List<(IkeTimer Timer, (TimeSpan, long) Priority)> later = [];
        while (_timers.TryPeek(out IkeTimer? timer, out (TimeSpan Due, long Order) priority) && timer.Due <= Now)
        {
            _timers.Dequeue();
            if (priority.Order >= last)
                later.Add((timer, priority));
            else if (!timer.Cancelled)
                timer.Fire();
        }
        foreach ((IkeTimer timer, (TimeSpan, long) priority) in later)
            _timers.Enqueue(timer, priority);
    }

    /// <summary>
    /// Runs a step to its end, reporting nothing: exchanges report their own failures, and that an IKE SA went away in the middle of
    /// one is told with its end. Any other exception is a bug and surfaces.
    /// </summary>
    public static void Run(Step<bool> step)
    {
        Step<bool>.Awaiter awaiter = step.GetAwaiter();
        if (awaiter.IsCompleted)
            End(awaiter);
        else
            awaiter.UnsafeOnCompleted(() => End(awaiter));

        static void End(Step<bool>.Awaiter awaiter)
        {
            try
            {
                awaiter.GetResult();
            }
            catch (ExchangeFailure failure) when (failure.Error == PcpuIpsecError.Aborted)
            {
                // Nobody waits for it.
            }
        }
    }
}

/// <summary>One timer of an <see cref="IkeRuntime"/>.</summary>
internal sealed class IkeTimer(TimeSpan due, Action action)
{
    // Let go when cancelled: the queue keeps the timer until it would have been due.
    private Action? _action = action;

    public TimeSpan Due { get; } = due;

    public bool Cancelled { get; private set; }

    public void Cancel() => (Cancelled, _action) = (true, null);

    public void Fire()
    {
        Action? run = _action;
        Cancel();
        run?.Invoke();
    }
}

/// <summary>What exchanges look for in a list of payloads.</summary>
internal static class PayloadListExtensions
{
    extension(IReadOnlyList<Payload> payloads)
    {
        public T? Find<T>()
            where T : Payload => payloads.OfType<T>().FirstOrDefault();

        public NotifyPayload? Notify(NotifyType type) => payloads.OfType<NotifyPayload>().FirstOrDefault(n => n.Notify == type);

        public bool Has(NotifyType type) => payloads.Notify(type) is not null;

        /// <summary>The first notify that is an error (RFC 7296 §3.10.1: below 16384).</summary>
        public NotifyPayload? Error => payloads.OfType<NotifyPayload>().FirstOrDefault(n => (ushort)n.Notify < 16384);
    }
}
