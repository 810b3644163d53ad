BeforeDiscovery {
    . "$PSScriptRoot/Lab.ps1"
    $cmdlets = Get-Command -Module PcpuIpsec | ForEach-Object { @{ Name = $_.Name; Command = $_ } }
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
        $times = 1..3 | ForEach-Object { [double](pwsh -NoProfile -NonInteractive -Command "(Measure-Command { Import-Module '$root/PcpuIpsec.psd1' }).TotalMilliseconds") }
        ($times | Sort-Object)[0] | Should -BeLessThan 400
    }

    It 'tells about itself' {
        Get-Content "$root/out/PcpuIpsec/en-US/about_PcpuIpsec.help.txt" -Raw | Should -Match 'RFC 9611'
    }

    It 'has a test for each cmdlet' {
        Get-Command -Module PcpuIpsec | ForEach-Object { Test-Path "$PSScriptRoot/$($_.Name).Tests.ps1" | Should -BeTrue -Because $_.Name }
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
        $common = [System.Management.Automation.Cmdlet]::CommonParameters + [System.Management.Automation.Cmdlet]::OptionalCommonParameters
        foreach ($parameter in $Command.Parameters.Keys | Where-Object { $_ -notin $common }) {
            ($help.parameters.parameter | Where-Object name -eq $parameter).description.Text | Should -Not -BeNullOrEmpty -Because $parameter
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
