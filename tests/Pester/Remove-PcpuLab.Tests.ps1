BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
}

Describe 'Remove-PcpuLab' {
    It 'takes down what the pipeline brings, and leaves nothing' {
        $lab = New-PcpuLab
        ip netns list | Out-String | Should -Match $lab.West.Namespace
        $lab | Remove-PcpuLab -WhatIf
        Test-Path $lab.West.Socket | Should -BeTrue
        $lab | Remove-PcpuLab
        ip netns list | Out-String | Should -Not -Match $lab.Id
        Test-Path $lab.West.Socket | Should -BeFalse
    }

    It 'writes an error for a lab that is none of this session' {
        { Remove-PcpuLab none -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
    }
}
