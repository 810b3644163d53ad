#!/usr/bin/env pwsh
#Requires -Version 7.6
<#
.SYNOPSIS
    Builds the PowerShell module into out/PcpuIpsec, tests it, and packs it.
.DESCRIPTION
    Build     out/PcpuIpsec: the module with its daemon, views and help; Import-Module ./PcpuIpsec.psd1 works after it
    Test      runs tests/Pester against it, as root
    Package   the same with a daemon that needs no .NET on the host, and out/PcpuIpsec.VERSION.zip
.EXAMPLE
    ./build.ps1 Build, Test
#>
[CmdletBinding()]
param(
    [Parameter(Position = 0)]
    [ValidateSet('Build', 'Test', 'Package')]
    [string[]] $Task = 'Build'
)
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
Set-StrictMode -Version Latest

$module = Join-Path $PSScriptRoot 'out/PcpuIpsec'

function Build-Module([switch] $SelfContained) {
    if (Test-Path $module) {
        Remove-Item $module -Recurse -Force
    }
    dotnet publish "$PSScriptRoot/src/PcpuIpsec.PowerShell" -c Release -o "$module/lib" -v quiet
    $runtime = $SelfContained ? @('-r', 'linux-x64', '--self-contained') : @()
    dotnet publish "$PSScriptRoot/src/PcpuIpsec.Host" -c Release -o "$module/bin" -v quiet @runtime
    Copy-Item "$PSScriptRoot/src/PcpuIpsec.PowerShell/PcpuIpsec.Format.ps1xml", "$PSScriptRoot/packaging/systemd/pcpu-ipsec.service", "$PSScriptRoot/LICENSE" $module
    # In the package all is beside the manifest; in the tree it is here.
    (Get-Content "$PSScriptRoot/PcpuIpsec.psd1" -Raw).Replace('out/PcpuIpsec/', '') | Set-Content "$module/PcpuIpsec.psd1" -NoNewline
    # In a process of its own: an assembly that was loaded cannot be built again.
    pwsh -NoProfile -File "$PSScriptRoot/packaging/New-ModuleHelp.ps1" -Library "$module/lib" -About "$PSScriptRoot/src/PcpuIpsec.PowerShell/about_PcpuIpsec.help.txt"
}

function Test-Module {
    pwsh -NoProfile -Command {
        param($Tests)
        $configuration = New-PesterConfiguration
        $configuration.Run.Path = $Tests
        $configuration.Run.Throw = $true
        $configuration.Output.Verbosity = 'Detailed'
        Invoke-Pester -Configuration $configuration
    } -args "$PSScriptRoot/tests/Pester"
}

function New-ModulePackage {
    Build-Module -SelfContained
    $version = (Import-PowerShellDataFile "$module/PcpuIpsec.psd1").ModuleVersion
    $archive = Join-Path $PSScriptRoot "out/PcpuIpsec.$version.zip"
    if (Test-Path $archive) {
        Remove-Item $archive
    }
    # With the modes of files, which Compress-Archive leaves out.
    [System.IO.Compression.ZipFile]::CreateFromDirectory($module, $archive, 'Optimal', $true)
}

switch ($Task) {
    'Build' { Build-Module }
    'Test' { Test-Module }
    'Package' { New-ModulePackage }
}
