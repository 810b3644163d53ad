BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Update-PcpuChildSa' {
    It 'gives each that the pipeline brings new keys' {
        $before = Get-PcpuChildSa lab -Socket $lab.WestSocket
        $after = $before | Update-PcpuChildSa -Socket $lab.WestSocket
        $after.Count | Should -Be $before.Count
        Compare-Object $before.OutboundSpi $after.OutboundSpi -ExcludeDifferent | Should -BeNullOrEmpty
        $after.Number | Should -Be $before.Number
    }

    It 'does nothing with -WhatIf' {
        $before = Get-PcpuChildSa lab -Socket $lab.WestSocket
        $before | Update-PcpuChildSa -Socket $lab.WestSocket -WhatIf
        (Get-PcpuChildSa lab -Socket $lab.WestSocket).OutboundSpi | Should -Be $before.OutboundSpi
    }

    It 'writes an error for a number that is none' {
        { Update-PcpuChildSa lab 4711 -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
    }
}
