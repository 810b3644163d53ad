BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Get-PcpuChildSa' {
    It 'writes one row for each CPU and one for the fallback' {
        $children = Get-PcpuChildSa lab -Socket $lab.WestSocket
        $children | Should -BeOfType PcpuIpsec.Client.ChildSa
        @($children | Where-Object IsFallback).Count | Should -Be 1
        ($children | Where-Object { -not $_.IsFallback }).Cpu | Sort-Object | Should -Be (Get-PcpuDaemon -Socket $lab.WestSocket).Cpus
    }

    It 'counts what went through' {
        $before = (Get-PcpuChildSa lab -Socket $lab.WestSocket | Measure-Object PacketsOut -Sum).Sum
        Invoke-TestPing $lab | Should -Be 3
        $after = Get-PcpuChildSa lab -Socket $lab.WestSocket
        ($after | Measure-Object PacketsOut -Sum).Sum - $before | Should -Be 3
        ($after | Measure-Object BytesOut -Sum).Sum | Should -BeGreaterThan 0
    }

    It 'filters by CPU, and takes tunnels from the pipeline' {
        $child = Get-PcpuTunnel lab -Socket $lab.WestSocket | Get-PcpuChildSa -Cpu 0 -Socket $lab.WestSocket
        $child.Cpu | Should -Be 0
    }

    It 'writes all tunnels without a name, and an error for one that is none' {
        Get-PcpuChildSa -Socket $lab.WestSocket | Should -Not -BeNullOrEmpty
        { Get-PcpuChildSa none -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
    }
}
