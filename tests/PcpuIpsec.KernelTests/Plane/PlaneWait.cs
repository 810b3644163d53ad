using System.Diagnostics;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>Waits for what comes by itself.</summary>
internal static class PlaneWait
{
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(60), _interval = TimeSpan.FromMilliseconds(200);

    /// <summary>Until <paramref name="whatIsMissing"/> misses nothing any more.</summary>
    public static async Task UntilAsync(Func<Task<string?>> whatIsMissing)
    {
        long began = Stopwatch.GetTimestamp();
        while (await whatIsMissing() is { } missing)
        {
            if (Stopwatch.GetElapsedTime(began) > _timeout)
                Assert.Fail($"After {_timeout.TotalSeconds:0} s {missing}.");
            await Task.Delay(_interval);
        }
    }
}
