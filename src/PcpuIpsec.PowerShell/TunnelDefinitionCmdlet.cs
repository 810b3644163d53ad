using System.Management.Automation;
using System.Runtime.InteropServices;
using System.Security;
using System.Security.Cryptography;
using System.Text;
using PcpuIpsec.Client;
using PcpuIpsec.PowerShell.Completion;

namespace PcpuIpsec.PowerShell;

/// <summary>What a tunnel is declared with.</summary>
public abstract class TunnelDefinitionCmdlet : DaemonCmdlet
{
    /// <summary>Our identity: an address, an FQDN or user@fqdn; the local address unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? LocalId { get; set; }

    /// <summary>The peer's identity; the remote address unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? RemoteId { get; set; }

    /// <summary>The pre-shared key. The daemon keeps it in a file that only root reads.</summary>
    [Parameter]
    public SecureString? PreSharedKey { get; set; }

    /// <summary>A file with the pre-shared key on the daemon's host, mode 0600 or 0400.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? PreSharedKeyFile { get; set; }

    /// <summary>A systemd credential of the daemon that holds the pre-shared key.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? PreSharedKeyCredential { get; set; }

    /// <summary>Our side's traffic, such as 10.1.0.0/24; the local address itself unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string[]? LocalSelector { get; set; }

    /// <summary>The peer's side's traffic, such as 10.2.0.0/24; the remote address itself unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string[]? RemoteSelector { get; set; }

    /// <summary>Tunnel mode, between networks, or transport mode, between the two gateways themselves.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public TunnelMode? Mode { get; set; }

    /// <summary>Suites for IKE by keyword, the preferred first.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(SuiteCompleter))]
    public string[]? IkeSuite { get; set; }

    /// <summary>Suites for ESP by keyword, the preferred first.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(SuiteCompleter))]
    public string[]? EspSuite { get; set; }

    /// <summary>Extended sequence numbers for all ESP suites, or for none.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public bool? Esn { get; set; }

    /// <summary>One Child SA per CPU (RFC 9611); the other per-CPU parameters imply it.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public SwitchParameter PerCpu { get; set; }

    /// <summary>The CPUs that get a Child SA of their own; all of the data plane unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(CpuCompleter))]
    public int[]? Cpu { get; set; }

    /// <summary>Create a CPU's Child SA when that CPU first sends, and not all of them at once.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public SwitchParameter OnDemand { get; set; }

    /// <summary>Most Child SAs, the fallback not counted, before the peer is told that there are enough.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public int? MaxChildSa { get; set; }

    /// <summary>Seconds after which an unused CPU's Child SA is deleted until it is needed, 5 to 86400.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public double? IdleSeconds { get; set; }

    /// <summary>ESP in UDP from a source port of its own for each SA, so that the peer's NIC spreads them.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public SwitchParameter SourcePortPerSa { get; set; }

    /// <summary>ESP in UDP also where no NAT is found.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public SwitchParameter ForceEncapsulation { get; set; }

    /// <summary>The UDP port of IKE, at both ends; 500 unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public int? IkePort { get; set; }

    /// <summary>The UDP port of IKE and ESP behind a NAT, at both ends; 4500 unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public int? NatTraversalPort { get; set; }

    /// <summary>Anti-replay window in packets, 64 to 4096.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public int? ReplayWindow { get; set; }

    /// <summary>Seconds after which a Child SA is rekeyed; 0 is never.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public double? ChildRekeySeconds { get; set; }

    /// <summary>Seconds after which the IKE SA is rekeyed; 0 is never.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public double? IkeRekeySeconds { get; set; }

    /// <summary>Seconds of silence after which the peer is asked whether it lives; 0 is never.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public double? LivenessSeconds { get; set; }

    /// <summary>Seconds without an answer after which the peer counts as silent.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public double? RetransmitGiveUpSeconds { get; set; }

    /// <summary>Whether the tunnel is initiated at once, or when a packet of it has to go.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public TunnelStartAction? StartAction { get; set; }

    /// <summary>The name of an XFRM interface for the tunnel, made where it is not there (kernel data plane).</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(XfrmInterfaceCompleter))]
    public string? InterfaceName { get; set; }

    /// <summary>The number (if_id) of the XFRM interface; one that follows from the tunnel's name unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public uint? InterfaceId { get; set; }

    /// <summary>The MTU of the XFRM interface, 1280 to 65535; what ESP leaves of the path's unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public int? InterfaceMtu { get; set; }

    /// <summary>The prefixes that are routed into the interface; those of the remote selectors unless given.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string[]? InterfaceRoute { get; set; }

    /// <summary>The TCP segment size that the host announces: auto, off or a number (kernel data plane).</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(MssCompleter))]
    public string? Mss { get; set; }

    /// <summary>Prefixes of the peer's side that pass in clear though the tunnel covers them (kernel data plane).</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string[]? Bypass { get; set; }

    /// <summary>Prefixes of the peer's side that are dropped though the tunnel covers them (kernel data plane).</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string[]? Discard { get; set; }

    /// <summary>The definition with what was given in place of what it has.</summary>
    private protected TunnelDefinition Apply(TunnelDefinition definition) => definition with
    {
        LocalId = LocalId ?? definition.LocalId,
        RemoteId = RemoteId ?? definition.RemoteId,
        PreSharedKey = PreSharedKey is null ? null : KeyOf(PreSharedKey),
        PreSharedKeyFile = HasKey ? PreSharedKeyFile : definition.PreSharedKeyFile,
        PreSharedKeyCredential = HasKey ? PreSharedKeyCredential : definition.PreSharedKeyCredential,
        LocalSelectors = LocalSelector ?? definition.LocalSelectors,
        RemoteSelectors = RemoteSelector ?? definition.RemoteSelectors,
        Mode = Mode ?? definition.Mode,
        IkeSuites = IkeSuite ?? definition.IkeSuites,
        EspSuites = EspSuite ?? definition.EspSuites,
        Esn = Esn ?? definition.Esn,
        PerCpu = PerCpuOf(definition.PerCpu),
        ForceEncapsulation = Given(nameof(ForceEncapsulation)) ? ForceEncapsulation.IsPresent : definition.ForceEncapsulation,
        IkePort = IkePort ?? definition.IkePort,
        NatTraversalPort = NatTraversalPort ?? definition.NatTraversalPort,
        ReplayWindow = ReplayWindow ?? definition.ReplayWindow,
        ChildRekeySeconds = ChildRekeySeconds ?? definition.ChildRekeySeconds,
        IkeRekeySeconds = IkeRekeySeconds ?? definition.IkeRekeySeconds,
        LivenessSeconds = LivenessSeconds ?? definition.LivenessSeconds,
        RetransmitGiveUpSeconds = RetransmitGiveUpSeconds ?? definition.RetransmitGiveUpSeconds,
        StartAction = StartAction ?? definition.StartAction,
        XfrmInterface = InterfaceOf(definition.XfrmInterface),
        Mss = Mss ?? definition.Mss,
        Bypass = Bypass?.Select(p => new TrafficException { Remote = p }).ToArray() ?? definition.Bypass,
        Discard = Discard?.Select(p => new TrafficException { Remote = p }).ToArray() ?? definition.Discard,
    };

    private bool HasKey => PreSharedKey is not null || PreSharedKeyFile is not null || PreSharedKeyCredential is not null;

    private bool Given(string parameter) => MyInvocation.BoundParameters.ContainsKey(parameter);

    private PerCpuDefinition? PerCpuOf(PerCpuDefinition? before)
    {
        if (Given(nameof(PerCpu)) && !PerCpu)
            return null;
        if (!PerCpu && Cpu is null && !Given(nameof(OnDemand)) && MaxChildSa is null && IdleSeconds is null && !Given(nameof(SourcePortPerSa)))
            return before;
        before ??= new PerCpuDefinition();
        return before with
        {
            Cpus = Cpu ?? before.Cpus,
            OnDemand = Given(nameof(OnDemand)) ? OnDemand.IsPresent : before.OnDemand,
            MaxChildSas = MaxChildSa ?? before.MaxChildSas,
            IdleSeconds = IdleSeconds ?? before.IdleSeconds,
            SourcePortPerSa = Given(nameof(SourcePortPerSa)) ? SourcePortPerSa.IsPresent : before.SourcePortPerSa,
        };
    }

    private XfrmInterfaceDefinition? InterfaceOf(XfrmInterfaceDefinition? before)
    {
        if (InterfaceName is null && InterfaceId is null && InterfaceMtu is null && InterfaceRoute is null)
            return before;
        before ??= new XfrmInterfaceDefinition { Name = InterfaceName ?? "" };
        return before with { Name = InterfaceName ?? before.Name, Id = InterfaceId ?? before.Id, Mtu = InterfaceMtu ?? before.Mtu, Routes = InterfaceRoute ?? before.Routes };
    }

    private static PreSharedKey KeyOf(SecureString secure)
    {
        IntPtr memory = Marshal.SecureStringToGlobalAllocUnicode(secure);
        byte[] bytes = GC.AllocateArray<byte>(Encoding.UTF8.GetMaxByteCount(secure.Length), pinned: true);
        try
        {
            int length;
            unsafe
            {
                length = Encoding.UTF8.GetBytes(new ReadOnlySpan<char>((void*)memory, secure.Length), bytes);
            }
            return length > 0 ? Client.PreSharedKey.CopyOf(bytes.AsSpan(0, length))
                : throw new DaemonException("invalid-option", "PreSharedKey: it is empty; allowed are 1 to 4096 bytes");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
            Marshal.ZeroFreeGlobalAllocUnicode(memory);
        }
    }
}
