#!/usr/bin/env pwsh
#Requires -Version 7.6
<#
.SYNOPSIS
    Two gateways on one machine: a tunnel with a Child SA for each CPU, and which of them carries what. Needs root.
#>
$ErrorActionPreference = 'Stop'
Import-Module "$PSScriptRoot/../PcpuIpsec.psd1"

$lab = New-PcpuLab
try {
    $common = @{
        PreSharedKey = ConvertTo-SecureString 'a key for the lab alone' -AsPlainText
        PerCpu       = $true
    }
    New-PcpuTunnel lab $lab.East.Address $lab.West.Address -LocalSelector $lab.East.Network -RemoteSelector $lab.West.Network @common -Socket $lab.East.Socket | Out-Null
    New-PcpuTunnel lab $lab.West.Address $lab.East.Address -LocalSelector $lab.West.Network -RemoteSelector $lab.East.Network @common -Socket $lab.West.Socket | Out-Null
    Start-PcpuTunnel lab -AllChildSa -Socket $lab.West.Socket | Format-Table | Out-Host

    # A sender on each CPU, and meanwhile a look at both gateways.
    $senders = foreach ($cpu in (Get-PcpuDaemon -Socket $lab.West.Socket).Cpus) {
        Start-Process ip -PassThru -RedirectStandardOutput /dev/null -ArgumentList netns, exec, $lab.Sunset.Namespace, taskset, -c, $cpu, ping, -q, -c, 200, -i, 0.01, $lab.Sunrise.Address
    }
    Test-PcpuTunnel lab -PeerSocket $lab.East.Socket -Socket $lab.West.Socket | Format-Table | Out-Host
    $senders | Wait-Process
    Get-PcpuChildSa lab -Socket $lab.West.Socket | Format-Table | Out-Host
}
finally {
    Remove-PcpuLab
}
