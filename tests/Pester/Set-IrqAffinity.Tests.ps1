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

Describe 'Set-IrqAffinity' {
    It 'says that a veth has no IRQs, and which CPUs there are' {
        { Set-IrqAffinity nic -Socket $socket -ErrorAction Stop } | Should -Throw '*no IRQs of its own*'
        { Set-IrqAffinity nic -Cpu 777 -Socket $socket -ErrorAction Stop } | Should -Throw '*CPU 777 is not online*'
    }
}
