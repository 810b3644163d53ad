namespace PcpuIpsec.Lab;

/// <summary>How a lab is built.</summary>
internal sealed record LabOptions
{
    /// <summary>MTU between the gateways; 1280, IPv6's least, to 65535.</summary>
    public int BlackMtu { get; init; } = 1500;

    /// <summary>MTU of the protected networks.</summary>
    public int RedMtu { get; init; } = 1500;

    /// <summary>Transmit and receive queues of each interface; null is one for each online CPU.</summary>
    public int? Queues { get; init; }

    /// <summary>Where the lab is recorded while it lives.</summary>
    public string StateFolder { get; init; } = LabState.DefaultFolder;

    /// <summary>
    /// Clear the lab away on SIGINT, SIGTERM and SIGHUP, before they take effect. A program that winds down by itself on
    /// these, and disposes of the lab then, says false: else the lab is gone under its feet.
    /// </summary>
    public bool CleanOnSignal { get; init; } = true;

    /// <summary>Throws where a value is out of range.</summary>
    public void Validate()
    {
        Check(nameof(BlackMtu), BlackMtu, 1280, 65535);
        Check(nameof(RedMtu), RedMtu, 1280, 65535);
        if (Queues is { } queues)
            Check(nameof(Queues), queues, 1, 4096);
    }

    private static void Check(string field, int value, int least, int most)
    {
        if (value < least || value > most)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{field} = {value}: allowed are {least} to {most}.");
    }
}
