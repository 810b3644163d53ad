BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Move-PcpuChildSa' {
    It 'moves one to another CPU' -Skip:([Environment]::ProcessorCount -lt 2) {
        $moved = Get-PcpuChildSa lab -Cpu 0 -Socket $lab.WestSocket | Move-PcpuChildSa -ToCpu 1 -Socket $lab.WestSocket
        $moved.Cpu | Should -Be 1
    }

    It 'refuses the fallback' {
        $fallback = Get-PcpuChildSa lab -Socket $lab.WestSocket | Where-Object IsFallback
        { $fallback | Move-PcpuChildSa -ToCpu 0 -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidOption,*' -ExpectedMessage '*fallback*'
    }

    It 'refuses a CPU that is none of the data plane' {
        { Get-PcpuChildSa lab -Cpu 0 -Socket $lab.WestSocket | Move-PcpuChildSa -ToCpu 4711 -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidOption,*' -ExpectedMessage '*4711*'
    }

    It 'does nothing with -WhatIf' {
        $before = Get-PcpuChildSa lab -Socket $lab.WestSocket
        $before | Where-Object { -not $_.IsFallback } | Select-Object -First 1 | Move-PcpuChildSa -ToCpu 0 -Socket $lab.WestSocket -WhatIf
        (Get-PcpuChildSa lab -Socket $lab.WestSocket).OutboundSpi | Should -Be $before.OutboundSpi
    }
}
