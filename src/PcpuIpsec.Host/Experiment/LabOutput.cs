using Spectre.Console;
using Spectre.Console.Rendering;

namespace PcpuIpsec.Host.Experiment;

/// <summary>Shows the lab's progress: a bar on a terminal, a line a step elsewhere.</summary>
internal sealed class LabOutput(IAnsiConsole console)
{
    private const int PlainWidth = 160;

    private ProgressTask? _task;
    private double _total, _done;

    public static LabOutput ForConsole()
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings());
        // Without a terminal there is no width to keep to, and a table cut at 80 says little.
        if (!console.Profile.Out.IsTerminal)
            console.Profile.Width = PlainWidth;
        return new LabOutput(console);
    }

    /// <summary>Runs work whose steps last a number of seconds altogether, as far as is known.</summary>
    public async Task<T> RunAsync<T>(double seconds, Func<Task<T>> work)
    {
        (_total, _done) = (seconds, 0);
        if (!console.Profile.Capabilities.Interactive || !console.Profile.Out.IsTerminal)
            return await work();
        return await console.Progress()
            .AutoClear(true)
            .Columns(new SpinnerColumn(), new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn())
            .StartAsync(async context =>
            {
                _task = context.AddTask("lab", maxValue: Math.Max(1, seconds));
                try
                {
                    return await work();
                }
                finally
                {
                    _task = null;
                }
            });
    }

    /// <summary>Shows a step and runs it.</summary>
    public async Task<T> StepAsync<T>(string description, double seconds, Func<Task<T>> work)
    {
        if (_task is null)
        {
            console.WriteLine($"[{(_total > 0 ? 100 * _done / _total : 0),3:0} %] {description}");
            T result = await work();
            _done += seconds;
            return result;
        }

        _task.Description = Markup.Escape(description);
        double start = _task.Value;
        using var ticking = new CancellationTokenSource();
        Task ticks = TickAsync(_task, start, seconds, ticking.Token);
        try
        {
            return await work();
        }
        finally
        {
            await ticking.CancelAsync();
            await ticks;
            _task.Value = start + seconds;
        }
    }

    public void Line(string text) => console.WriteLine(text);

    public void Write(IRenderable renderable) => console.Write(renderable);

    private static async Task TickAsync(ProgressTask task, double start, double seconds, CancellationToken cancellationToken)
    {
        long began = Environment.TickCount64;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
                task.Value = start + Math.Min(seconds, (Environment.TickCount64 - began) / 1000.0);
        }
        catch (OperationCanceledException)
        {
            // The step is done.
        }
    }
}
