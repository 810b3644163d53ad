BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
}
AfterAll {
    Remove-PcpuLab
}

Describe 'New-PcpuLab' {
    It 'does nothing with -WhatIf' {
        New-PcpuLab -WhatIf | Should -BeNullOrEmpty
    }

    It 'makes two gateways that tunnels can be made on' {
        $lab = New-PcpuLab
        $lab | Should -BeOfType PcpuIpsec.Client.Lab
        $key = @{ PreSharedKey = Get-TestKey; PerCpu = $true }
        $null = New-PcpuTunnel lab $lab.East.Address $lab.West.Address -LocalSelector $lab.East.Network -RemoteSelector $lab.West.Network @key -Socket $lab.East.Socket
        $tunnel = New-PcpuTunnel lab $lab.West.Address $lab.East.Address -LocalSelector $lab.West.Network -RemoteSelector $lab.East.Network @key -Socket $lab.West.Socket -Start
        $tunnel.State | Should -Be 'Up'
        "$(ip netns exec $lab.Sunset.Namespace ping -c 2 -i 0.1 -W 2 $lab.Sunrise.Address)" | Should -Match '2 received'
        (Get-PcpuChildSa lab -Socket $lab.West.Socket | Measure-Object PacketsOut -Sum).Sum | Should -Be 2
    }
}
