BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Test-PcpuHost' {
    It 'tells of the kernel, ESP, instructions, interrupts and interfaces' {
        $checks = Test-PcpuHost -Socket $lab.WestSocket
        $checks | Should -BeOfType PcpuIpsec.Client.HostCheck
        foreach ($name in 'kernel', 'kernel-esp', 'data-plane', 'crypto-instructions', 'irqbalance', 'isolation') {
            $checks.Name | Should -Contain $name
        }
        foreach ($name in 'mtu-*', 'queues-*', 'rx-gro-*') {
            $checks.Name -like $name | Should -Not -BeNullOrEmpty -Because $name
        }
    }

    It 'has an advice for each that does not pass, and for no other' {
        foreach ($check in Test-PcpuHost -Socket $lab.WestSocket) {
            [bool]$check.Advice | Should -Be ($check.Outcome -ne 'Pass') -Because $check.Name
        }
    }
}
