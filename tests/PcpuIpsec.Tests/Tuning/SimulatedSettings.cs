using System.Globalization;
using PcpuIpsec.Tuning;

namespace PcpuIpsec.Tests.Tuning;

/// <summary>A host of settings in memory, of which some alter others, and a process on it that can be killed at any step.</summary>
internal sealed class SimulatedSettings : ISettings
{
    private readonly SortedDictionary<string, string> _values = new(StringComparer.Ordinal);

    /// <summary>After how many reads and writes the process is killed; null: never.</summary>
    public int? KillAfter { get; set; }

    public int Steps { get; private set; }

    /// <summary>Settings that take no value, and what they say.</summary>
    public Dictionary<string, string> Refusing { get; } = [];

    /// <summary>Settings that take a value without an error and stay as they are.</summary>
    public HashSet<string> Deaf { get; } = [];

    public string this[string key]
    {
        get => _values[key];
        set => _values[key] = value;
    }

    public string Snapshot() => string.Join('\n', _values.Select(v => $"{v.Key}={v.Value}"));

    public void Remove(string key) => _values.Remove(key);

    public ISetting Find(string key) => new Setting(this, key);

    /// <summary>As a driver does: other queues, their IRQs where it likes them best.</summary>
    private void SetChannels(int count)
    {
        foreach (string gone in _values.Keys.Where(k => k.StartsWith("irq/eth0/", StringComparison.Ordinal)).ToArray())
            _values.Remove(gone);
        for (int queue = 0; queue < count; queue++)
            _values[$"irq/eth0/q{queue}"] = "ff";
    }

    private void Step()
    {
        if (Steps++ == KillAfter)
            throw new KilledException();
    }

    /// <summary>The process is gone: nothing handles this.</summary>
    internal sealed class KilledException : Exception;

    private sealed class Setting(SimulatedSettings host, string key) : ISetting
    {
        public string Key => key;

        public string? Read()
        {
            host.Step();
            return host._values.GetValueOrDefault(key);
        }

        public void Write(string value)
        {
            // Killed before the kernel did it, or after.
            host.Step();
            if (host.Refusing.TryGetValue(key, out string? reason))
                throw new PcpuIpsecException(PcpuIpsecError.KernelRefused, $"{key}: {reason}");
            if (!host._values.ContainsKey(key))
                throw new PcpuIpsecException(PcpuIpsecError.KernelRefused, $"{key}: not there");
            if (!host.Deaf.Contains(key))
                host._values[key] = value;
            if (key == "nic/eth0/channels")
                host.SetChannels(int.Parse(value, CultureInfo.InvariantCulture));
            host.Step();
        }
    }
}
