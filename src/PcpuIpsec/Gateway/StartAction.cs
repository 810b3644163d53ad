namespace PcpuIpsec.Gateway;

/// <summary>What happens with a tunnel once it is added.</summary>
public enum StartAction
{
    /// <summary>Its peer is answered; we initiate when asked to, and when a packet of the tunnel has to go.</summary>
    Wait,

    /// <summary>We initiate at once, and again with back-off until it is up.</summary>
    Initiate,
}
