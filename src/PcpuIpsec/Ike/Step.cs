using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace PcpuIpsec.Ike;

/// <summary>
/// A value that comes later, for code that is written as <c>async</c> and yet is pure: no thread, scheduler or
/// synchronization context is involved. Whoever sets the result runs what awaits it, then and there, so that the
/// protocol's order of steps depends on nothing but the order of its events.
/// </summary>
[AsyncMethodBuilder(typeof(StepMethodBuilder<>))]
internal sealed class Step<T>
{
    private Action? _continuation;
    private T? _result;
    private ExceptionDispatchInfo? _failure;

    public bool IsCompleted { get; private set; }

    /// <summary>Completes it; a second completion has no effect.</summary>
    public bool TrySetResult(T result)
    {
        if (IsCompleted)
            return false;
        _result = result;
        Complete();
        return true;
    }

    /// <summary>Fails it; what awaits it sees the exception.</summary>
    public bool TrySetException(Exception exception)
    {
        if (IsCompleted)
            return false;
        _failure = ExceptionDispatchInfo.Capture(exception);
        Complete();
        return true;
    }

    public Awaiter GetAwaiter() => new(this);

    private void Complete()
    {
        IsCompleted = true;
        Action? continuation = _continuation;
        _continuation = null;
        continuation?.Invoke();
    }

    internal readonly struct Awaiter(Step<T> step) : ICriticalNotifyCompletion
    {
        public bool IsCompleted => step.IsCompleted;

        public T GetResult()
        {
            step._failure?.Throw();
            return step._result!;
        }

        public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

        public void UnsafeOnCompleted(Action continuation)
        {
            if (step._continuation is not null)
                throw new InvalidOperationException("A step is awaited once.");
            step._continuation = continuation;
        }
    }
}

/// <summary>What the compiler calls for an <c>async</c> method that returns a <see cref="Step{T}"/>.</summary>
internal struct StepMethodBuilder<T>
{
    private Box? _box;

    public Step<T> Task { get; private init; }

    public static StepMethodBuilder<T> Create() => new() { Task = new Step<T>() };

    public readonly void Start<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine => stateMachine.MoveNext();

    public readonly void SetStateMachine(IAsyncStateMachine stateMachine) => _ = stateMachine;

    public readonly void SetResult(T result) => Task.TrySetResult(result);

    public readonly void SetException(Exception exception) => Task.TrySetException(exception);

    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.OnCompleted(Boxed(ref stateMachine));

    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(Boxed(ref stateMachine));

    // The box is set before the state machine is copied into it, so that the copy's builder knows the box too.
    private Action Boxed<TStateMachine>(ref TStateMachine stateMachine)
        where TStateMachine : IAsyncStateMachine
    {
        if (_box is null)
        {
            _box = new Box();
            _box.Machine = stateMachine;
        }
        return _box.MoveNext;
    }

    private sealed class Box
    {
        public IAsyncStateMachine? Machine { get; set; }

        public void MoveNext() => Machine!.MoveNext();
    }
}
