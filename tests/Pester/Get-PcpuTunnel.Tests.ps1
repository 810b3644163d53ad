BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Get-PcpuTunnel' {
    It 'writes all tunnels, typed' {
        $tunnel = Get-PcpuTunnel -Socket $lab.WestSocket
        $tunnel | Should -BeOfType PcpuIpsec.Client.Tunnel
        $tunnel.Name | Should -Be 'lab'
        $tunnel.State | Should -Be 'Up'
        $tunnel.IkeSa.PerResource | Should -BeTrue
    }

    It 'takes wildcards, and none that match is no error' {
        (Get-PcpuTunnel l* -Socket $lab.WestSocket).Name | Should -Be 'lab'
        Get-PcpuTunnel x* -Socket $lab.WestSocket -ErrorAction Stop | Should -BeNullOrEmpty
    }

    It 'writes an error for a name that is none' {
        { Get-PcpuTunnel none -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
    }

    It 'has a table' {
        Get-PcpuTunnel -Socket $lab.WestSocket | Out-String -Width 160 | Should -Match 'Name\s+State\s+ChildSas\s+Traffic\s+LastError'
    }

    It 'takes no name that is empty' {
        { Get-PcpuTunnel $null -Socket $lab.WestSocket } | Should -Throw -ErrorId 'ParameterArgumentValidationError*'
        { Get-PcpuTunnel '' -Socket $lab.WestSocket } | Should -Throw -ErrorId 'ParameterArgumentValidationError*'
        { Get-PcpuChildSa '' -Socket $lab.WestSocket } | Should -Throw -ErrorId 'ParameterArgumentValidationError*'
    }

    It 'answers within 50 ms when warm' {
        $null = Get-PcpuTunnel -Socket $lab.WestSocket
        $times = 1..20 | ForEach-Object { (Measure-Command { Get-PcpuTunnel -Socket $lab.WestSocket }).TotalMilliseconds }
        ($times | Sort-Object)[10] | Should -BeLessThan 50
    }

    It 'says where no daemon is' {
        { Get-PcpuTunnel -Socket "$($lab.Folder)/none.sock" -ErrorAction Stop } | Should -Throw -ErrorId 'Unreachable,*'
    }

    It 'completes names' {
        (TabExpansion2 "Get-PcpuTunnel -Socket $($lab.WestSocket) -Name l" -cursorColumn ("Get-PcpuTunnel -Socket $($lab.WestSocket) -Name l".Length)).CompletionMatches.CompletionText | Should -Contain 'lab'
    }
}
