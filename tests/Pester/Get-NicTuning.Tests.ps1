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

Describe 'Get-NicTuning' {
    It 'tells of each interface' {
        $nic = Get-NicTuning nic -Socket $socket
        $nic | Should -BeOfType PcpuIpsec.Client.NicTuning
        $nic.Driver, $nic.Channels.RxMax, $nic.Features['rx-gro'] | Should -Be 'veth', 4, $false
        $nic.Queues.Name | Should -Be 'rx-0', 'rx-1', 'rx-2', 'rx-3', 'tx-0', 'tx-1', 'tx-2', 'tx-3'
        $nic.Counters.Keys | Should -Contain 'peer_ifindex'
        $nic | Out-String | Should -Match 'Channels +: rx 4 of 4'
        (Get-NicTuning -Socket $socket).Name | Where-Object { $_ -ne 'pcpu0' } | Should -Be 'far', 'nic', 'wire'
        (Get-NicTuning 'n*' -Socket $socket).Name | Should -Be 'nic'
        { Get-NicTuning nope -Socket $socket -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
    }
}
