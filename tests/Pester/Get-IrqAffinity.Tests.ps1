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

Describe 'Get-IrqAffinity' {
    It 'has nothing to tell of a veth' {
        Get-IrqAffinity nic -Socket $socket | Should -BeNullOrEmpty
    }
}
