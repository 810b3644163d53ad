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

Describe 'Restore-IpsecHost' {
    It 'puts back what a killed daemon had changed' {
        $before = Get-State
        $null = Optimize-IpsecHost nic -Cpu 0 -Socket $socket
        $lab.West.Kill()
        $lab.West.WaitForExit()
        Remove-Item $socket
        $lab.West = Start-TestDaemon $lab west
        (Restore-IpsecHost -Socket $socket).Outcome | Should -Contain 'Changed'
        Get-State | Should -Be $before
    }
}
