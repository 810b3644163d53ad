BeforeDiscovery {
    . "$PSScriptRoot/Lab.ps1"
    $cmdlets = Get-Command -Module PcpuIpsec | ForEach-Object { @{ Name = $_.Name; Command = $_ } }
    # After ./build.ps1 Package.
    $package = Get-Item "$root/out/PcpuIpsec.*.zip" -ErrorAction Ignore
}
BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
}

Describe 'The module' {
    It 'is valid, in the tree and as packaged' {
        (Test-ModuleManifest "$root/PcpuIpsec.psd1").ExportedCmdlets.Count | Should -Be (Get-Command -Module PcpuIpsec).Count
        (Test-ModuleManifest "$root/out/PcpuIpsec/PcpuIpsec.psd1").Version | Should -Be (Test-ModuleManifest "$root/PcpuIpsec.psd1").Version
    }

    It 'does not ship the engine''s reference' {
        Test-Path "$root/out/PcpuIpsec/lib/System.Management.Automation.dll" | Should -BeFalse
    }

    It 'is imported within 400 ms' {
        $PSNativeCommandUseErrorActionPreference = $false
        $times = 1..5 | ForEach-Object { [double](pwsh -NoProfile -NonInteractive -Command "(Measure-Command { Import-Module '$root/PcpuIpsec.psd1' }).TotalMilliseconds") }
        ($times | Sort-Object)[2] | Should -BeLessThan 400
    }

    It 'tells about itself' {
        foreach ($manifest in "$root/PcpuIpsec.psd1", "$root/out/PcpuIpsec/PcpuIpsec.psd1") {
            pwsh -NoProfile -NonInteractive -Command "Import-Module '$manifest'; Get-Help about_PcpuIpsec" | Out-String | Should -Match 'RFC 9611'
        }
    }

    It 'says defaults in its help' {
        (Get-Help New-PcpuTunnel -Parameter ReplayWindow).defaultValue | Should -Be '64'
        (Get-Help New-PcpuTunnel -Parameter IkePort).defaultValue | Should -Be '500'
        (Get-Help Set-PcpuTunnel -Parameter IkePort).defaultValue | Should -Be 'As it is'
        (Get-Help Test-PcpuTunnel -Parameter Seconds).defaultValue | Should -Be '1'
    }

    It 'has tables that fit 80 columns' {
        foreach ($view in ([xml](Get-Content "$root/out/PcpuIpsec/PcpuIpsec.Format.ps1xml" -Raw)).SelectNodes('//TableHeaders')) {
            $columns = @($view.TableColumnHeader)
            $fixed = ($columns | ForEach-Object { [int]$_.SelectSingleNode('Width').InnerText } | Measure-Object -Sum).Sum + $columns.Count - 1
            $rest = @($columns | Where-Object { -not $_.SelectSingleNode('Width') }).Label
            foreach ($label in $rest) {
                [math]::Floor((80 - $fixed) / $rest.Count) | Should -BeGreaterOrEqual ([math]::Max(12, $label.Length)) -Because "$label of $($columns.Label)"
            }
            $fixed | Should -BeLessOrEqual 80
            foreach ($column in $columns | Where-Object { $_.SelectSingleNode('Width') }) {
                [int]$column.SelectSingleNode('Width').InnerText | Should -BeGreaterOrEqual $column.Label.Length -Because $column.Label
            }
        }
    }

    It 'has a test for each cmdlet' {
        Get-Command -Module PcpuIpsec | ForEach-Object { Test-Path "$PSScriptRoot/$($_.Name).Tests.ps1" | Should -BeTrue -Because $_.Name }
    }
}

if ($package -and (Test-Path "$root/out/PcpuIpsec/bin/libcoreclr.so")) {
    Describe 'The package' {
        BeforeAll {
            $folder = Join-Path ([IO.Path]::GetTempPath()) "pcpu-pester-$PID-package"
            [System.IO.Compression.ZipFile]::ExtractToDirectory((Get-Item "$root/out/PcpuIpsec.*.zip").FullName, $folder)
            $namespace = "pcpu-pester-$PID-package"
            ip netns add $namespace
            ip -n $namespace link set lo up
        }
        AfterAll {
            ip netns del $namespace
            Remove-Item $folder -Recurse -Force
        }

        It 'has a daemon that runs where there is no .NET' {
            env -i PATH=/usr/bin:/bin DOTNET_ROOT=/nowhere "$folder/PcpuIpsec/bin/pcpu-ipsec" --version | Should -Match '^\d+\.\d+'
        }

        # The host's own daemon is found first, in any network namespace: then no private one is started, and nothing is to be tested.
        It 'starts that daemon where none runs' -Skip:(Test-Path /run/pcpu-ipsec/pcpu-ipsec.sock) {
            $PSNativeCommandUseErrorActionPreference = $false
            $said = ip netns exec $namespace pwsh -NoProfile -NonInteractive -Command "
                Import-Module '$folder/PcpuIpsec/PcpuIpsec.psd1'
                `$env:DOTNET_ROOT = '/nowhere'
                `$env:PATH = '/usr/sbin:/usr/bin:/sbin:/bin'
                `$daemon = Get-PcpuDaemon
                (Get-Item /proc/`$(`$daemon.ProcessId)/exe).ResolveLinkTarget(`$true).FullName" 2>&1 | Out-String
            $said | Should -BeLike "*$folder/PcpuIpsec/bin/pcpu-ipsec*"
        }
    }
}

Describe '<Name>' -ForEach $cmdlets {
    It 'has an approved verb' {
        (Get-Verb $Command.Verb) | Should -Not -BeNullOrEmpty
    }

    It 'has help for itself and for each parameter, and an example' {
        $help = Get-Help $Name -Full
        $help.Synopsis | Should -Not -BeLike "*$Name*"
        $help.description.Text | Should -Not -BeNullOrEmpty
        @($help.examples.example).Count | Should -BeGreaterThan 0
        $help.Synopsis | Should -Match '\.$'
        $common = [System.Management.Automation.Cmdlet]::CommonParameters
        foreach ($parameter in $Command.Parameters.Keys | Where-Object { $_ -notin $common }) {
            ($help.parameters.parameter | Where-Object name -eq $parameter).description.Text | Should -Not -BeNullOrEmpty -Because $parameter
        }
        if ($Command.Parameters.ContainsKey('WhatIf')) {
            $help.syntax | Out-String | Should -Match '(?s)-WhatIf.*-Confirm|-Confirm.*-WhatIf'
        }
    }

    It 'has examples that parse and call what there is' {
        foreach ($example in (Get-Help $Name -Examples).examples.example) {
            $errors = $null
            $ast = [System.Management.Automation.Language.Parser]::ParseInput($example.code, [ref]$null, [ref]$errors)
            $errors | Should -BeNullOrEmpty
            foreach ($call in $ast.FindAll({ $args[0] -is [System.Management.Automation.Language.CommandAst] }, $true)) {
                $called = Get-Command $call.GetCommandName()
                foreach ($parameter in $call.CommandElements | Where-Object { $_ -is [System.Management.Automation.Language.CommandParameterAst] }) {
                    $called.Parameters.Keys | Should -Contain $parameter.ParameterName
                }
            }
        }
    }

    It 'declares what it writes' {
        $Command.OutputType | Should -Not -BeNullOrEmpty
    }

    It 'asks before it changes anything' {
        if ($Command.Verb -notin 'Get', 'Test', 'Connect') {
            $Command.Parameters.Keys | Should -Contain 'WhatIf'
        }
    }
}
