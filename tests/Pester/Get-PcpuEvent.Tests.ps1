BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Get-PcpuEvent' {
    It 'tells what happened, in order' {
        $events = Get-PcpuEvent -Socket $lab.WestSocket
        $events | Should -BeOfType PcpuIpsec.Client.DaemonEvent
        $events.Kind | Should -Contain 'tunnel-added'
        $events.Kind | Should -Contain 'ike-sa-established'
        $events.Id | Should -Be ($events.Id | Sort-Object)
    }

    It 'filters by kind and by tunnel' {
        (Get-PcpuEvent -Kind tunnel-added -Socket $lab.WestSocket).Tunnel | Should -Be 'lab'
        (Get-PcpuEvent lab -Socket $lab.WestSocket).Tunnel | Sort-Object -Unique | Should -Be 'lab'
    }

    It 'refuses a kind that there is not, and names those that there are' {
        { Get-PcpuEvent -Kind tunnel-added, nonsense -Socket $lab.WestSocket } | Should -Throw -ErrorId 'InvalidOption,*' -ExpectedMessage "Kind: 'nonsense' is not allowed; allowed: tunnel-added, *"
    }

    It 'writes an error for a tunnel that is none, and knows those that were' {
        { Get-PcpuEvent none -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
        { Get-PcpuEvent none -Follow -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
        $gone = Get-TestTunnel $lab west gone
        $gone.LocalSelector, $gone.RemoteSelector = '10.7.0.0/24', '10.8.0.0/24'
        $null = New-PcpuTunnel @gone
        Remove-PcpuTunnel gone -Socket $lab.WestSocket -Confirm:$false
        (Get-PcpuEvent gone -Socket $lab.WestSocket).Kind | Should -Contain 'tunnel-removed'
    }

    It 'is shown in lines' {
        Get-PcpuEvent -Kind tunnel-added -Socket $lab.WestSocket | Format-List | Out-String | Should -Match '(?s)Id +: \d.*Time +: \d{4}-.*Kind +: tunnel-added.*Tunnel +: lab.*Message +: '
    }

    It 'follows until the pipeline has enough' {
        $seen = Get-PcpuEvent -Follow -Socket $lab.WestSocket | Select-Object -First 3
        $seen.Count | Should -Be 3
    }

    It 'sees what happens later' {
        $job = [powershell]::Create().AddScript({
            param($root, $socket)
            Import-Module "$root/PcpuIpsec.psd1"
            Get-PcpuEvent -Follow -Kind child-sa-rekeyed -Socket $socket | Select-Object -First 1
        }).AddArgument($root).AddArgument($lab.WestSocket)
        $running = $job.BeginInvoke()
        Start-Sleep -Milliseconds 500
        $null = Get-PcpuChildSa lab -Cpu 0 -Socket $lab.WestSocket | Update-PcpuChildSa -Socket $lab.WestSocket
        $running.AsyncWaitHandle.WaitOne(10000) | Should -BeTrue
        $job.EndInvoke($running).Kind | Should -Be 'child-sa-rekeyed'
        $job.Dispose()
    }
}
