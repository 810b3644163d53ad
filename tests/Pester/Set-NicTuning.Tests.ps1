BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    $socket = $lab.WestSocket
    ip -n "$($lab.Id)-west" link add nic numrxqueues 4 numtxqueues 4 type veth peer name far numrxqueues 4 numtxqueues 4
    ip -n "$($lab.Id)-west" link set nic up
}
AfterAll {
    $null = Restore-IpsecHost -Socket $socket -Confirm:$false
    Remove-TestLab $lab
}

Describe 'Set-NicTuning' {
    It 'changes queues and features, and says what was there' {
        $changes = Set-NicTuning nic -Channel 1 -Feature @{ 'rx-gro' = $true } -Socket $socket
        $changes.Outcome | Should -Be 'Changed', 'Changed'
        $changes.Before | Should -Be 'rx 4, tx 4, other 0, combined 0', 'off'
        $nic = Get-NicTuning nic -Socket $socket
        $nic.Channels.Rx, $nic.Features['rx-gro'] | Should -Be 1, $true
        (Set-NicTuning nic -Channel 1 -Socket $socket).Outcome | Should -Be 'Unchanged'
    }

    It 'changes nothing with -WhatIf, and tells the plan' {
        (Set-NicTuning nic -Channel 3 -Socket $socket -WhatIf).Outcome | Should -Be 'Planned'
        (Get-NicTuning nic -Socket $socket).Channels.Rx | Should -Be 1
    }

    It 'changes what a pipeline brings where it was told, whatever daemon the session has' {
        ip -n "$($lab.Id)-east" link add nic numrxqueues 4 numtxqueues 4 type veth peer name far numrxqueues 4 numtxqueues 4
        $null = Connect-PcpuDaemon -Socket $lab.WestSocket
        Get-NicTuning nic -Socket $lab.EastSocket | Set-NicTuning -Channel 2 | Should -Not -BeNullOrEmpty
        (Get-NicTuning nic -Socket $lab.EastSocket).Channels.Rx, (Get-NicTuning nic -Socket $lab.WestSocket).Channels.Rx | Should -Be 2, 1
        (Get-NicTuning nic -Socket $lab.EastSocket | Set-NicTuning -Channel 3 -WhatIf).Outcome | Should -Be 'Planned'
        $null = Restore-IpsecHost -Socket $lab.EastSocket
    }

    It 'says what is allowed' {
        { Set-NicTuning nic -Channel 9 -Socket $socket -ErrorAction Stop } | Should -Throw '*channels = 9 is not allowed; allowed: 1 to 4'
        { Set-NicTuning nic -RxRing 9 -Socket $socket -ErrorAction Stop } | Should -Throw '*tells of none'
        { Set-NicTuning nic -Feature @{ nonsense = $true } -Socket $socket -ErrorAction Stop } | Should -Throw "*feature 'nonsense'*rx-gro*"
        { Set-NicTuning nowhere -Channel 1 -Socket $socket -ErrorAction Stop } | Should -Throw "*'nowhere' is no interface*"
    }
}
