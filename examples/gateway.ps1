#!/usr/bin/env pwsh
#Requires -Version 7.6
<#
.SYNOPSIS
    Sets one gateway of two up, step by step. Run it on both, with the addresses the other way round on the second.
.DESCRIPTION
    The daemon must run (systemctl enable --now pcpu-ipsec). Running it twice changes nothing the second time.
.EXAMPLE
    ./gateway.ps1 -LocalAddress 203.0.113.1 -RemoteAddress 203.0.113.2 -LocalNetwork 10.1.0.0/24 -RemoteNetwork 10.2.0.0/24
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)] [string] $LocalAddress,
    [Parameter(Mandatory)] [string] $RemoteAddress,
    [Parameter(Mandatory)] [string] $LocalNetwork,
    [Parameter(Mandatory)] [string] $RemoteNetwork,
    [string] $Name = 'site-to-site',
    [securestring] $PreSharedKey,
    [string] $Socket = '/run/pcpu-ipsec/pcpu-ipsec.sock'
)
$ErrorActionPreference = 'Stop'
Import-Module "$PSScriptRoot/../PcpuIpsec.psd1"
$daemon = @{ Socket = $Socket }

# 1. What does this host lack?
Test-PcpuHost @daemon | Where-Object Outcome -ne Pass | Format-Table -Wrap | Out-Host

# 2. The tunnel: its traffic is held from here on.
$PreSharedKey ??= Read-Host 'Pre-shared key, the same at both ends' -AsSecureString
$declaration = @{
    Name           = $Name
    LocalAddress   = $LocalAddress
    RemoteAddress  = $RemoteAddress
    LocalSelector  = $LocalNetwork
    RemoteSelector = $RemoteNetwork
    PreSharedKey   = $PreSharedKey
    PerCpu         = $true
    StartAction    = 'Initiate'
}
$tunnel = New-PcpuTunnel @declaration @daemon
if (-not $tunnel) {
    # -WhatIf
    return
}

# 3. Wait for the other gateway: until it has its half of the tunnel nobody answers.
for ($i = 1; $tunnel.State -ne 'Up' -and $i -le 60; $i++) {
    Write-Progress 'Waiting for the other gateway' -Status $RemoteAddress -PercentComplete ($i / 60 * 100)
    Start-Sleep -Seconds 1
    $tunnel = Get-PcpuTunnel $Name @daemon
}
Write-Progress 'Waiting for the other gateway' -Completed
if ($tunnel.State -ne 'Up') {
    throw "The other gateway does not answer: $($tunnel.LastError)"
}

# 4. A Child SA for each CPU.
Start-PcpuTunnel $Name -AllChildSa @daemon | Out-Null
Get-PcpuChildSa $Name @daemon
