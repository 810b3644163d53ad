#!/usr/bin/env pwsh
#Requires -Version 7.6
<#
.SYNOPSIS
    Builds the PowerShell module into out/PcpuIpsec, tests it, and packs it.
.DESCRIPTION
    Build     out/PcpuIpsec: the module with its daemon, views and help; Import-Module ./PcpuIpsec.psd1 works after it
    Test      runs tests/Pester against it, as root, with Pester 5 and with Pester 6 where both are installed
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
    pwsh -NoProfile -File "$PSScriptRoot/packaging/New-ModuleHelp.ps1" -Library "$module/lib" -About "$PSScriptRoot/en-US/about_PcpuIpsec.help.txt"
}

# With the newest Pester 5 and with the newest Pester 6: the suite is for both. Each in a process of its own.
function Test-Module {
    $versions = Get-Module Pester -ListAvailable | Where-Object { $_.Version.Major -in 5, 6 } | Group-Object { $_.Version.Major } |
        ForEach-Object { ($_.Group | Sort-Object Version)[-1].Version } | Sort-Object
    if (-not $versions) {
        throw 'Neither Pester 5 nor Pester 6 is installed (Install-PSResource Pester).'
    }
    if (@($versions).Count -eq 1) {
        Write-Output "Only Pester $versions is installed: the suite runs with that one alone, and not with Pester $($versions.Major -eq 5 ? 6 : 5)."
    }
    # What fails with one does not keep the other from running.
    $failed = [System.Collections.Generic.List[string]]::new()
    foreach ($version in $versions) {
        try {
            pwsh -NoProfile -Command {
                param($Tests, $Version)
                Import-Module Pester -RequiredVersion $Version
                $configuration = New-PesterConfiguration
                $configuration.Run.Path = $Tests
                $configuration.Run.Throw = $true
                $configuration.Output.Verbosity = 'Detailed'
                Invoke-Pester -Configuration $configuration
            } -args "$PSScriptRoot/tests/Pester", "$version"
        }
        catch [System.Management.Automation.NativeCommandExitException] {
            $failed.Add("$version")
        }
    }
    if ($failed.Count -gt 0) {
        throw "The suite failed with Pester $($failed -join ' and ')."
    }
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
    'Build' {
        Build-Module
        Write-Output "$module is ready: Import-Module $PSScriptRoot/PcpuIpsec.psd1"
    }
    'Test' { Test-Module }
    'Package' {
        New-ModulePackage
        Write-Output "$(Get-Item "$PSScriptRoot/out/PcpuIpsec.*.zip") is ready, and so is ${module}: Import-Module $PSScriptRoot/PcpuIpsec.psd1"
    }
}
