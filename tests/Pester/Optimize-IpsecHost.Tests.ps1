BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    $socket = $lab.WestSocket
    # More queues than the wire has, to take some away.
    $namespace = "$($lab.Id)-west"
    ip -n $namespace link add nic numrxqueues 4 numtxqueues 4 type veth peer name far numrxqueues 4 numtxqueues 4
    ip -n $namespace link set nic up
    ip -n $namespace link set far up
    function Get-Queue {
        (Get-NicTuning nic -Socket $socket).Queues | ForEach-Object { "$($_.Name) rps $($_.RpsCpus) xps $($_.XpsCpus)" }
    }
    function Get-State {
        Get-Queue
        (Get-NicTuning nic -Socket $socket).Channels
        (Get-NicTuning nic -Socket $socket).Features | ConvertTo-Json
        ip netns exec $namespace sysctl net.ipv4.tcp_rmem net.ipv4.tcp_wmem
    }
}
AfterAll {
    $null = Restore-IpsecHost -Socket $socket -Confirm:$false
    Remove-TestLab $lab
}

Describe 'Optimize-IpsecHost' {
    It 'tells the plan with -WhatIf and changes nothing' {
        $before = Get-State
        $plan = Optimize-IpsecHost nic -Cpu 0, 1 -Socket $socket -WhatIf
        $channels = $plan | Where-Object Setting -EQ 'nic/nic/channels'
        $channels.Outcome, $channels.Before, $channels.After | Should -Be 'Planned', 'rx 4, tx 4, other 0, combined 0', 'rx 2, tx 2, other 0, combined 0'
        $channels.Why | Should -BeLike '*each of 2 CPUs*'
        $plan | Out-String | Should -Match 'Outcome +Setting +Before +After +Why'
        Get-State | Should -Be $before
        Restore-IpsecHost -Socket $socket -WhatIf | Should -BeNullOrEmpty
    }

    It 'tunes, the second time nothing, and puts all of it back' {
        $before = Get-State
        $changes = Optimize-IpsecHost nic -Cpu 0, 1 -Socket $socket
        ($changes | Where-Object Setting -EQ 'nic/nic/channels').Outcome | Should -Be 'Changed'
        ($changes | Where-Object Setting -EQ 'nic/nic/tx-1/xps_cpus').Outcome | Should -Be 'Changed'
        ($changes | Where-Object Outcome -EQ 'Advice').Setting | Should -Contain 'nic/nic/mtu'
        (Get-NicTuning nic -Socket $socket).Channels.Rx | Should -Be 2
        (Optimize-IpsecHost nic -Cpu 0, 1 -Socket $socket).Outcome | Should -Not -Contain 'Changed'
        $plan = Restore-IpsecHost -Socket $socket -WhatIf
        ($plan | Where-Object Setting -EQ 'nic/nic/channels').After | Should -Be 'rx 4, tx 4, other 0, combined 0'
        (Restore-IpsecHost -Socket $socket).Outcome | Should -Not -Contain 'Failed'
        Get-State | Should -Be $before
        Restore-IpsecHost -Socket $socket | Should -BeNullOrEmpty
    }

    It 'names an interface that is not there, and a CPU that is offline' {
        { Optimize-IpsecHost nowhere -Socket $socket -ErrorAction Stop } | Should -Throw "*'nowhere' is no interface; allowed are*"
        { Optimize-IpsecHost nic -Cpu 777 -Socket $socket -ErrorAction Stop } | Should -Throw '*CPU 777 is not online*'
    }
}
