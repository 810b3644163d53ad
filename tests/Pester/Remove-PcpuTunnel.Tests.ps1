BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Remove-PcpuTunnel' {
    It 'does nothing with -WhatIf' {
        Remove-PcpuTunnel lab -Socket $lab.WestSocket -WhatIf
        Get-PcpuTunnel -Socket $lab.WestSocket | Should -Not -BeNullOrEmpty
    }

    It 'asks, since its impact is high' {
        (Get-Command Remove-PcpuTunnel).ImplementingType.GetCustomAttributes([System.Management.Automation.CmdletAttribute], $false)[0].ConfirmImpact | Should -Be 'High'
    }

    It 'removes what the pipeline brings, and the traffic goes unprotected' {
        Get-PcpuTunnel lab -Socket $lab.WestSocket | Remove-PcpuTunnel -Socket $lab.WestSocket -Confirm:$false
        Get-PcpuTunnel -Socket $lab.WestSocket | Should -BeNullOrEmpty
        Remove-PcpuTunnel lab -Socket $lab.EastSocket -Confirm:$false
        Invoke-TestPing $lab | Should -Be 3
    }

    It 'writes an error for a tunnel that is none' {
        { Remove-PcpuTunnel none -Socket $lab.WestSocket -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
    }
}
