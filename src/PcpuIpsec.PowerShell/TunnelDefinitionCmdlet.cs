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
    internal const string FieldsSet = "Fields", DefinitionSet = "Definition";

    private static readonly UTF8Encoding _utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// A declaration as a whole: of Get-PcpuTunnel, or an object or hashtable with the fields of one, as Import-Csv and
    /// ConvertFrom-Json make them. A field that there is not is an error. Parameters that are given win.
    /// </summary>
    [Parameter(ParameterSetName = DefinitionSet, Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public object? Definition { get; set; }

    /// <summary>Our identity: an address, an FQDN or user@fqdn; the local address unless given.</summary>
    [Parameter]
    public string? LocalId { get; set; }

    /// <summary>The peer's identity; the remote address unless given.</summary>
    [Parameter]
    public string? RemoteId { get; set; }

    /// <summary>The pre-shared key; the tunnel's present one unless given. The daemon keeps it in a file that only root reads.</summary>
    [Parameter]
    public SecureString? PreSharedKey { get; set; }

    /// <summary>A file with the pre-shared key on the daemon's host, mode 0600 or 0400.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? PreSharedKeyFile { get; set; }

    /// <summary>A systemd credential of the daemon that holds the pre-shared key.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? PreSharedKeyCredential { get; set; }

    /// <summary>Our side's traffic, such as 10.1.0.0/24; the local address itself unless given.</summary>
    [Parameter]
    public string[]? LocalSelector { get; set; }

    /// <summary>The peer's side's traffic, such as 10.2.0.0/24; the remote address itself unless given.</summary>
    [Parameter]
    public string[]? RemoteSelector { get; set; }

    /// <summary>Tunnel mode, between networks, or transport mode, between the two gateways themselves; Tunnel unless given.</summary>
    [Parameter]
    public TunnelMode? Mode { get; set; }

    /// <summary>Suites for IKE by keyword, the preferred first.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(SuiteCompleter))]
    public string[]? IkeSuite { get; set; }

    /// <summary>Suites for ESP by keyword, the preferred first.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(SuiteCompleter))]
    public string[]? EspSuite { get; set; }

    /// <summary>Extended sequence numbers for all ESP suites, or for none; as each suite's keyword says unless given.</summary>
    [Parameter]
    public bool? Esn { get; set; }

    /// <summary>One Child SA per CPU (RFC 9611); the other per-CPU parameters imply it.</summary>
    [Parameter]
    public SwitchParameter PerCpu { get; set; }

    /// <summary>The CPUs that get a Child SA of their own; all of the data plane unless given.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(CpuCompleter))]
    public int[]? Cpu { get; set; }

    /// <summary>Create a CPU's Child SA when that CPU first sends, and not all of them at once.</summary>
    [Parameter]
    public SwitchParameter OnDemand { get; set; }

    /// <summary>Most Child SAs, the fallback not counted, before the peer is told that there are enough; twice the CPUs unless given.</summary>
    [Parameter]
    public int? MaxChildSa { get; set; }

    /// <summary>Seconds after which an unused CPU's Child SA is deleted until it is needed, 5 to 86400; never unless given.</summary>
    [Parameter]
    public double? IdleSeconds { get; set; }

    /// <summary>ESP in UDP from a source port of its own for each SA, so that the peer's NIC spreads them.</summary>
    [Parameter]
    public SwitchParameter SourcePortPerSa { get; set; }

    /// <summary>ESP in UDP also where no NAT is found.</summary>
    [Parameter]
    public SwitchParameter ForceEncapsulation { get; set; }

    /// <summary>The UDP port of IKE, at both ends; 500 unless given.</summary>
    [Parameter]
    public int? IkePort { get; set; }

    /// <summary>The UDP port of IKE and ESP behind a NAT, at both ends; 4500 unless given.</summary>
    [Parameter]
    public int? NatTraversalPort { get; set; }

    /// <summary>Anti-replay window in packets, 64 to 4096; 64 unless given.</summary>
    [Parameter]
    public int? ReplayWindow { get; set; }

    /// <summary>Seconds after which a Child SA is rekeyed, 0 for never; 3600 unless given.</summary>
    [Parameter]
    public double? ChildRekeySeconds { get; set; }

    /// <summary>Seconds after which the IKE SA is rekeyed, 0 for never; 14400 unless given.</summary>
    [Parameter]
    public double? IkeRekeySeconds { get; set; }

    /// <summary>Seconds of silence after which the peer is asked whether it lives, 0 for never; 30 unless given.</summary>
    [Parameter]
    public double? LivenessSeconds { get; set; }

    /// <summary>Seconds without an answer after which the peer counts as silent; 25 unless given.</summary>
    [Parameter]
    public double? RetransmitGiveUpSeconds { get; set; }

    /// <summary>Whether the tunnel is initiated at once, or when a packet of it has to go; Wait unless given.</summary>
    [Parameter]
    public TunnelStartAction? StartAction { get; set; }

    /// <summary>The name of an XFRM interface for the tunnel, made where it is not there (kernel data plane); none unless given.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(XfrmInterfaceCompleter))]
    public string? InterfaceName { get; set; }

    /// <summary>The number (if_id) of the XFRM interface; one that follows from the tunnel's name unless given.</summary>
    [Parameter]
    public uint? InterfaceId { get; set; }

    /// <summary>The MTU of the XFRM interface, 1280 to 65535; what ESP leaves of the path's unless given.</summary>
    [Parameter]
    public int? InterfaceMtu { get; set; }

    /// <summary>The prefixes that are routed into the interface; those of the remote selectors unless given.</summary>
    [Parameter]
    public string[]? InterfaceRoute { get; set; }

    /// <summary>The TCP segment size that the host announces: auto, off or a number (kernel data plane).</summary>
    [Parameter]
    [ArgumentCompleter(typeof(MssCompleter))]
    public string? Mss { get; set; }

    /// <summary>Prefixes of the peer's side that pass in clear though the tunnel covers them (kernel data plane).</summary>
    [Parameter]
    public string[]? Bypass { get; set; }

    /// <summary>Prefixes of the peer's side that are dropped though the tunnel covers them (kernel data plane).</summary>
    [Parameter]
    public string[]? Discard { get; set; }

    /// <summary>The definition with what was given in place of what it has; null is as good as never given. The key that was given is the caller's to dispose.</summary>
    private protected TunnelDefinition Apply(TunnelDefinition definition, out PreSharedKey? key)
    {
        key = PreSharedKey is null ? null : KeyOf(PreSharedKey);
        bool hasKey = key is not null || PreSharedKeyFile is not null || PreSharedKeyCredential is not null;
        return definition with
        {
            LocalId = Or(nameof(LocalId), LocalId, definition.LocalId),
            RemoteId = Or(nameof(RemoteId), RemoteId, definition.RemoteId),
            PreSharedKey = hasKey ? key : definition.PreSharedKey,
            PreSharedKeyFile = hasKey ? PreSharedKeyFile : definition.PreSharedKeyFile,
            PreSharedKeyCredential = hasKey ? PreSharedKeyCredential : definition.PreSharedKeyCredential,
            LocalSelectors = Or(nameof(LocalSelector), LocalSelector, definition.LocalSelectors),
            RemoteSelectors = Or(nameof(RemoteSelector), RemoteSelector, definition.RemoteSelectors),
            Mode = Or(nameof(Mode), Mode, definition.Mode),
            IkeSuites = Or(nameof(IkeSuite), IkeSuite, definition.IkeSuites),
            EspSuites = Or(nameof(EspSuite), EspSuite, definition.EspSuites),
            Esn = Or(nameof(Esn), Esn, definition.Esn),
            PerCpu = PerCpuOf(definition.PerCpu),
            ForceEncapsulation = Or(nameof(ForceEncapsulation), ForceEncapsulation.IsPresent, definition.ForceEncapsulation),
            IkePort = Or(nameof(IkePort), IkePort, definition.IkePort),
            NatTraversalPort = Or(nameof(NatTraversalPort), NatTraversalPort, definition.NatTraversalPort),
            ReplayWindow = Or(nameof(ReplayWindow), ReplayWindow, definition.ReplayWindow),
            ChildRekeySeconds = Or(nameof(ChildRekeySeconds), ChildRekeySeconds, definition.ChildRekeySeconds),
            IkeRekeySeconds = Or(nameof(IkeRekeySeconds), IkeRekeySeconds, definition.IkeRekeySeconds),
            LivenessSeconds = Or(nameof(LivenessSeconds), LivenessSeconds, definition.LivenessSeconds),
            RetransmitGiveUpSeconds = Or(nameof(RetransmitGiveUpSeconds), RetransmitGiveUpSeconds, definition.RetransmitGiveUpSeconds),
            StartAction = Or(nameof(StartAction), StartAction, definition.StartAction),
            XfrmInterface = InterfaceOf(definition.XfrmInterface),
            Mss = Or(nameof(Mss), Mss, definition.Mss),
            Bypass = Or(nameof(Bypass), Exceptions(Bypass), definition.Bypass),
            Discard = Or(nameof(Discard), Exceptions(Discard), definition.Discard),
        };
    }

    private bool Given(string parameter) => MyInvocation.BoundParameters.ContainsKey(parameter);

    private T Or<T>(string parameter, T given, T before) => Given(parameter) ? given : before;

    // The shell makes no text of null.
    private string? Or(string parameter, string? given, string? before) => Given(parameter) ? (given is "" ? null : given) : before;

    private static TrafficException[]? Exceptions(string[]? prefixes) => prefixes?.Select(p => new TrafficException { Remote = p }).ToArray();

    private PerCpuDefinition? PerCpuOf(PerCpuDefinition? before)
    {
        if (Given(nameof(PerCpu)) && !PerCpu)
            return null;
        bool isMeant = PerCpu || Cpu is not null || Given(nameof(OnDemand)) || MaxChildSa is not null || IdleSeconds is not null || Given(nameof(SourcePortPerSa));
        if (before is null && !isMeant)
            return null;
        before ??= new PerCpuDefinition();
        return before with
        {
            Cpus = Or(nameof(Cpu), Cpu, before.Cpus),
            OnDemand = Or(nameof(OnDemand), OnDemand.IsPresent, before.OnDemand),
            MaxChildSas = Or(nameof(MaxChildSa), MaxChildSa, before.MaxChildSas),
            IdleSeconds = Or(nameof(IdleSeconds), IdleSeconds, before.IdleSeconds),
            SourcePortPerSa = Or(nameof(SourcePortPerSa), SourcePortPerSa.IsPresent, before.SourcePortPerSa),
        };
    }

    private XfrmInterfaceDefinition? InterfaceOf(XfrmInterfaceDefinition? before)
    {
        string? name = Or(nameof(InterfaceName), InterfaceName, before?.Name);
        if (name is null && InterfaceId is null && InterfaceMtu is null && InterfaceRoute is null)
            return null;
        // Without a name it is the daemon's to refuse.
        before ??= new XfrmInterfaceDefinition { Name = "" };
        return before with
        {
            Name = name ?? "",
            Id = Or(nameof(InterfaceId), InterfaceId, before.Id),
            Mtu = Or(nameof(InterfaceMtu), InterfaceMtu, before.Mtu),
            Routes = Or(nameof(InterfaceRoute), InterfaceRoute, before.Routes),
        };
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
                length = _utf8.GetBytes(new ReadOnlySpan<char>((void*)memory, secure.Length), bytes);
            }
            return length > 0 ? Client.PreSharedKey.CopyOf(bytes.AsSpan(0, length))
                : throw new DaemonException("invalid-option", "PreSharedKey: it is empty; allowed are 1 to 4096 bytes");
        }
        catch (EncoderFallbackException)
        {
            // Not as the cause: it has a piece of the key.
            throw new DaemonException("invalid-option", "PreSharedKey: it has half a surrogate pair; allowed is text, or a file with any bytes");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
            Marshal.ZeroFreeGlobalAllocUnicode(memory);
        }
    }
}
