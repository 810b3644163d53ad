@{
    NestedModules        = @('out/PcpuIpsec/lib/PcpuIpsec.PowerShell.dll')
    ModuleVersion        = '0.1.0'
    GUID                 = '2f1c8a53-6f0e-4a57-9d5b-0e6a6f9c4b71'
    Author               = 'PcpuIpsec maintainers'
    Copyright            = '(c) PcpuIpsec maintainers. MIT licence.'
    Description          = 'IPsec tunnels with one Child SA per CPU (RFC 9611), on Linux.'
    PowerShellVersion    = '7.6'
    CompatiblePSEditions = @('Core')
    FormatsToProcess     = @('out/PcpuIpsec/PcpuIpsec.Format.ps1xml')
    CmdletsToExport      = @(
        'Connect-PcpuDaemon'
        'Get-IrqAffinity'
        'Get-NicTuning'
        'Get-PcpuChildSa'
        'Get-PcpuDaemon'
        'Get-PcpuEvent'
        'Get-PcpuTunnel'
        'Get-XfrmPolicy'
        'Get-XfrmState'
        'Get-XfrmStatistic'
        'Move-PcpuChildSa'
        'New-PcpuLab'
        'New-PcpuTunnel'
        'Optimize-IpsecHost'
        'Remove-PcpuLab'
        'Remove-PcpuTunnel'
        'Restore-IpsecHost'
        'Set-IrqAffinity'
        'Set-NicTuning'
        'Set-PcpuTunnel'
        'Start-PcpuTunnel'
        'Stop-PcpuDaemon'
        'Stop-PcpuTunnel'
        'Test-PcpuHost'
        'Test-PcpuTunnel'
        'Update-PcpuChildSa'
    )
    FunctionsToExport    = @()
    VariablesToExport    = @()
    AliasesToExport      = @()
    PrivateData          = @{
        PSData = @{
            Tags = @('PSEdition_Core', 'Linux', 'IPsec', 'IKEv2', 'XFRM', 'RFC9611')
        }
    }
}
