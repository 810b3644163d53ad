BeforeDiscovery {
    . "$PSScriptRoot/Lab.ps1"
    # Stop-PcpuDaemon's needs a private daemon, which its own tests have, and Move-PcpuChildSa's a second CPU.
    $without = @('Stop-PcpuDaemon') + ([Environment]::ProcessorCount -lt 2 ? 'Move-PcpuChildSa' : @())
    $helps = foreach ($cmdlet in Get-Command -Module PcpuIpsec | Where-Object Name -notin $without) {
        (Get-Help $cmdlet.Name -Examples).examples.example | ForEach-Object { @{ Cmdlet = $cmdlet.Name; Code = "$($_.code)" } }
    }
    $ansible = [bool](Get-Command ansible-playbook -ErrorAction Ignore)
}
BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'examples/gateway.ps1' {
    It 'sets two gateways up, and changes nothing the second time' {
        $ends = @(
            @{ Socket = $lab.WestSocket; Local = '192.0.2.1'; Remote = '192.0.2.2'; Here = '10.1.0.1/32'; There = '10.2.0.1/32' }
            @{ Socket = $lab.EastSocket; Local = '192.0.2.2'; Remote = '192.0.2.1'; Here = '10.2.0.1/32'; There = '10.1.0.1/32' }
        )
        foreach ($time in 1, 2) {
            $jobs = foreach ($end in $ends) {
                $call = "& '$root/examples/gateway.ps1' -LocalAddress $($end.Local) -RemoteAddress $($end.Remote) -LocalNetwork $($end.Here) -RemoteNetwork $($end.There) " +
                    "-PreSharedKey (ConvertTo-SecureString 'the same key at both ends' -AsPlainText) -Socket '$($end.Socket)'"
                [System.Diagnostics.Process]::Start([System.Diagnostics.ProcessStartInfo]::new('pwsh', [string[]]('-NoProfile', '-NonInteractive', '-Command', $call)))
            }
            foreach ($job in $jobs) {
                $job.WaitForExit(90000) | Should -BeTrue
                $job.ExitCode | Should -Be 0
            }
            $spis = (Get-PcpuChildSa site-to-site -Socket $lab.WestSocket).OutboundSpi
            if ($time -eq 2) {
                $spis | Should -Be $before
            }
            $before = $spis
        }
        Invoke-TestPing $lab | Should -Be 3
        foreach ($end in $ends) {
            Remove-PcpuTunnel site-to-site -Socket $end.Socket -Confirm:$false
        }
    }
}

Describe 'examples/lab.ps1' {
    It 'shows a Child SA for each CPU, and leaves nothing' {
        $before = ip netns list | Out-String
        $shown = pwsh -NoProfile -NonInteractive -File "$root/examples/lab.ps1" | Out-String
        # In tables: what each CPU's sent during the test, and then.
        $shown | Should -Match '(?m)^Number +Cpu +InboundSpi'
        $shown | Should -Match '(?m)^ +0 Pass +[1-9]\d* +[1-9]\d* '
        $shown | Should -Not -Match 'Failure'
        ip netns list | Out-String | Should -Be $before
    }
}

Describe 'examples/ansible' {
    It 'reports changed the first time and ok the second' -Skip:(-not $ansible) {
        $key = "$($lab.Folder)/ansible.key"
        Set-Content $key 'the same key at both ends' -NoNewline
        chmod 600 $key
        $module = "pcpu_module=$root/PcpuIpsec.psd1 pcpu_key_file=$key"
        Set-Content "$($lab.Folder)/inventory.ini" @"
[gateways]
east ansible_connection=local pcpu_local=192.0.2.2 pcpu_remote=192.0.2.1 pcpu_local_network=10.2.0.1/32 pcpu_remote_network=10.1.0.1/32 pcpu_socket=$($lab.EastSocket) $module
west ansible_connection=local pcpu_local=192.0.2.1 pcpu_remote=192.0.2.2 pcpu_local_network=10.1.0.1/32 pcpu_remote_network=10.2.0.1/32 pcpu_socket=$($lab.WestSocket) $module
"@
        $env:ANSIBLE_NOCOLOR = '1'
        $run = { ansible-playbook -i "$($lab.Folder)/inventory.ini" -e ansible_become=false "$root/examples/ansible/playbook.yml" | Out-String }
        $first = & $run
        $first | Should -Match 'west\s+: ok=3\s+changed=[12]\s.*failed=0'
        $first | Should -Match 'east\s+: ok=3\s+changed=[12]\s.*failed=0'
        $second = & $run
        $second | Should -Match 'west\s+: ok=3\s+changed=0\s.*failed=0'
        $second | Should -Match 'east\s+: ok=3\s+changed=0\s.*failed=0'
        Invoke-TestPing $lab | Should -Be 3

        # Another network at both ends: the tunnel is changed, once.
        $inventory = Get-Content "$($lab.Folder)/inventory.ini" -Raw
        Set-Content "$($lab.Folder)/inventory.ini" $inventory.Replace('10.2.0.1/32', '10.2.0.0/24')
        $third = & $run
        $third | Should -Match 'west\s+: ok=3\s+changed=[12]\s.*failed=0'
        $third | Should -Match 'east\s+: ok=3\s+changed=[12]\s.*failed=0'
        & $run | Should -Match 'west\s+: ok=3\s+changed=0\s.*failed=0'
        (Get-PcpuTunnel lab -Socket $lab.WestSocket).Definition.RemoteSelectors | Should -Be '10.2.0.0/24'
        Invoke-TestPing $lab | Should -Be 3
        foreach ($socket in $lab.WestSocket, $lab.EastSocket) {
            Remove-PcpuTunnel lab -Socket $socket -Confirm:$false
        }
    }

    It 'says where the module is not installed' -Skip:(-not $ansible) {
        Set-Content "$($lab.Folder)/inventory.ini" "[gateways]`nwest ansible_connection=local pcpu_local=192.0.2.1 pcpu_remote=192.0.2.2 pcpu_local_network=10.1.0.1/32 pcpu_remote_network=10.2.0.1/32 pcpu_module=NoSuchModule"
        $env:ANSIBLE_NOCOLOR = '1'
        $PSNativeCommandUseErrorActionPreference = $false
        ansible-playbook -i "$($lab.Folder)/inventory.ini" -e ansible_become=false "$root/examples/ansible/playbook.yml" | Out-String | Should -Match 'The module NoSuchModule is not installed'
    }
}

Describe 'The help' {
    BeforeAll {
        ip -n "$($lab.Id)-west" addr add 10.0.0.1/32 dev wire
        $east = Get-TestTunnel $lab east
        $west = Get-TestTunnel $lab west
        $null = New-PcpuTunnel @east
        $null = Connect-PcpuDaemon -Socket $lab.WestSocket
    }

    It 'has examples that run: <Code>' -ForEach $helps {
        if ((Get-PcpuTunnel -Socket $lab.WestSocket).Definition.LocalAddress -ne '192.0.2.1') {
            Get-PcpuTunnel | Remove-PcpuTunnel -Confirm:$false
        }
        Get-PcpuTunnel copy* | Remove-PcpuTunnel -Confirm:$false
        if ($Code -like 'New-PcpuTunnel*') {
            Get-PcpuTunnel | Remove-PcpuTunnel -Confirm:$false
        }
        else {
            if (-not (Get-PcpuTunnel)) {
                $null = New-PcpuTunnel @west
            }
            $null = Start-PcpuTunnel lab -AllChildSa
        }
        $Error.Clear()
        $ErrorActionPreference = 'Stop'
        $null = & ([scriptblock]::Create($Code.Replace('/run/pcpu-ipsec/pcpu-ipsec.sock', $lab.WestSocket)))
        $Error | Should -BeNullOrEmpty
    }
}
