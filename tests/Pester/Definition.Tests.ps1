BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    # Each field that can be listed, in the order in which they are written.
    $full = '{"name":"full","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","localId":"west@example.org","remoteId":"east.example.org",' +
        '"preSharedKeyFile":"/etc/keys/full","localSelectors":["10.1.0.0/24","10.1.1.0/24"],"remoteSelectors":["10.2.0.0/24"],"mode":"tunnel",' +
        '"ikeSuites":["aes256gcm16-sha384-ecp384"],"espSuites":["aes256gcm16","aes128gcm16"],"esn":true,' +
        '"perCpu":{"cpus":[0,1],"onDemand":false,"maxChildSas":9,"idleSeconds":60.5,"sourcePortPerSa":false},"forceEncapsulation":false,' +
        '"ikePort":501,"natTraversalPort":4501,"replayWindow":256,"childRekeySeconds":100,"ikeRekeySeconds":0,"livenessSeconds":7.5,"retransmitGiveUpSeconds":9,' +
        '"startAction":"initiate","xfrmInterface":{"name":"ipsec0","id":4000000000,"mtu":1400,"routes":[]},"mss":1300,' +
        '"bypass":[{"remote":"10.2.0.1/32"},{"local":"10.1.0.1/32","remote":"10.2.0.2/32"}],"discard":[{"local":"10.1.0.3/32"}]}'
    $plain = '{"name":"plain","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2"}'

    # A daemon that has these two tunnels, and repeats what it is told.
    $folder = (New-Item "$([IO.Path]::GetTempPath())/pcpu-pester-$([guid]::NewGuid().ToString('n').Substring(0, 8))" -ItemType Directory).FullName
    $socket = "$folder/s.sock"
    $told = [hashtable]::Synchronized(@{ Body = $null })
    $daemon = [powershell]::Create().AddScript({
            param($path, $told, $definitions)
            $listener = [System.Net.Sockets.Socket]::new('Unix', 'Stream', 'Unspecified')
            $listener.Bind([System.Net.Sockets.UnixDomainSocketEndPoint]::new($path))
            $listener.Listen()
            $buffer = [byte[]]::new(65536)
            while ($true) {
                $client = $listener.Accept()
                $text = ''
                while ($text -notmatch '(?s)\r\n\r\n' -or ($text -match 'Content-Length: (\d+)' -and ($text -split "`r`n`r`n", 2)[1].Length -lt [int]$Matches[1])) {
                    $text += [System.Text.Encoding]::UTF8.GetString($buffer, 0, $client.Receive($buffer))
                }
                $head, $body = $text -split "`r`n`r`n", 2
                $tunnels = $definitions | ForEach-Object { "{`"name`":`"$(($_ | ConvertFrom-Json).name)`",`"state`":`"down`",`"definition`":$_,`"childSas`":[]}" }
                $answer = switch -regex ($head) {
                    '^GET /v1/version' {
                        '{"version":"1","apiVersion":1,"processId":1,"started":"2026-01-01T00:00:00Z","tunnelsFolder":"/etc/pcpu-ipsec/tunnels.d","dataPlane":"kernel","dataPlaneReason":"","cpus":[0],"ikeCounters":{},"dropCounters":{}}'
                    }
                    '^GET /v1/tunnels ' { "[$($tunnels -join ',')]" }
                    '^GET /v1/tunnels/full' { $tunnels[0] }
                    '^P(OS|U)T' {
                        $told.Body = $body
                        "{`"changed`":true,`"tunnel`":{`"name`":`"$(($body | ConvertFrom-Json).name)`",`"state`":`"down`",`"definition`":$($body -replace '"preSharedKey":"[^"]*",', ''),`"childSas`":[]}}"
                    }
                }
                $null = $client.Send([System.Text.Encoding]::UTF8.GetBytes("HTTP/1.1 200 OK`r`nPcpu-Ipsec-Api: 1`r`nConnection: close`r`nContent-Length: $($answer.Length)`r`n`r`n$answer"))
                $client.Dispose()
            }
        }).AddArgument($socket).AddArgument($told).AddArgument(@($full, $plain))
    $null = $daemon.BeginInvoke()
    for ($i = 0; $i -lt 100 -and -not (Test-Path $socket); $i++) {
        Start-Sleep -Milliseconds 50
    }
    $null = Connect-PcpuDaemon $socket
}
AfterAll {
    # It waits for a client, and none is left.
    $null = $daemon.BeginStop($null, $null)
    try { [System.Net.Sockets.Socket]::new('Unix', 'Stream', 'Unspecified').Connect([System.Net.Sockets.UnixDomainSocketEndPoint]::new($socket)) } catch { }
    Remove-Item $folder -Recurse -Force
}

Describe 'A definition' {
    BeforeEach {
        $told.Body = $null
    }

    It 'has each field here' {
        $fields = ($full | ConvertFrom-Json).PSObject.Properties.Name
        foreach ($field in [PcpuIpsec.Client.TunnelDefinition].GetProperties().Name -notmatch '^PreSharedKey(Credential)?$') {
            $fields | Should -Contain $field
        }
        [PcpuIpsec.Client.PerCpuDefinition].GetProperties().Count | Should -Be @(($full | ConvertFrom-Json).perCpu.PSObject.Properties).Count
        [PcpuIpsec.Client.XfrmInterfaceDefinition].GetProperties().Count | Should -Be @(($full | ConvertFrom-Json).xfrmInterface.PSObject.Properties).Count
    }

    It 'goes out of <_> as it came in' -ForEach 'New-PcpuTunnel', 'Set-PcpuTunnel' {
        foreach ($json in $full, $plain) {
            $tunnel = Get-PcpuTunnel ($json | ConvertFrom-Json).name
            $hashtable = $json | ConvertFrom-Json -AsHashtable
            foreach ($source in $tunnel, $tunnel.Definition, ($tunnel.Definition | Select-Object *), ($json | ConvertFrom-Json), $hashtable) {
                $told.Body = $null
                $null = $source | & $_
                $told.Body | Should -Be $json
                $told.Body = $null
                $null = & $_ -Definition $source
                $told.Body | Should -Be $json
            }
        }
    }

    It 'is another in what is given' {
        $null = Get-PcpuTunnel full | Set-PcpuTunnel -ReplayWindow 1024
        $told.Body | Should -Be $full.Replace('"replayWindow":256', '"replayWindow":1024')
        $null = Get-PcpuTunnel plain | Set-PcpuTunnel -ReplayWindow 1024
        $told.Body | Should -Be $plain.Replace('}', ',"replayWindow":1024}')
        $null = (Get-PcpuTunnel full).Definition | New-PcpuTunnel -Name clone -RemoteAddress 10.0.0.3 -Cpu 0 -OnDemand -RemoteSelector 10.3.0.0/24 -InterfaceName ipsec1
        $told.Body | Should -Be $full.Replace('"name":"full"', '"name":"clone"').Replace('"remoteAddress":"10.0.0.2"', '"remoteAddress":"10.0.0.3"').Replace('"cpus":[0,1],"onDemand":false', '"cpus":[0],"onDemand":true').Replace('["10.2.0.0/24"]', '["10.3.0.0/24"]').Replace('"ipsec0"', '"ipsec1"')
        $null = (Get-PcpuTunnel full).Definition | New-PcpuTunnel clone 10.0.0.1 10.0.0.4
        $told.Body | Should -Be $full.Replace('"name":"full"', '"name":"clone"').Replace('"remoteAddress":"10.0.0.2"', '"remoteAddress":"10.0.0.4"')
        $null = (Get-PcpuTunnel full).Definition | New-PcpuTunnel -PreSharedKey (Get-TestKey 'k')
        $told.Body | Should -Be $full.Replace('"preSharedKeyFile":"/etc/keys/full"', '"preSharedKey":"k"')
    }

    It 'keeps a key that it has, and leaves it its owner''s' {
        $key = [PcpuIpsec.Client.PreSharedKey]::CopyOf([byte[]](107, 101, 121))
        $definition = [PcpuIpsec.Client.TunnelDefinition]::new()
        foreach ($value in @{ Name = 'plain'; LocalAddress = '10.0.0.1'; RemoteAddress = '10.0.0.2'; PreSharedKey = $key }.GetEnumerator()) {
            [PcpuIpsec.Client.TunnelDefinition].GetProperty($value.Key).SetValue($definition, $value.Value)
        }
        foreach ($time in 1, 2) {
            $null = New-PcpuTunnel -Definition $definition
            $told.Body | Should -BeLike '*"preSharedKey":"key"*'
        }
    }

    It 'is never given by null: <_>' -ForEach 'LocalId', 'RemoteId', 'LocalSelector', 'RemoteSelector', 'Mode', 'IkeSuite', 'EspSuite', 'Esn', 'IkePort', 'NatTraversalPort', 'ReplayWindow', 'ChildRekeySeconds', 'IkeRekeySeconds',
    'LivenessSeconds', 'RetransmitGiveUpSeconds', 'StartAction', 'InterfaceName', 'Mss', 'Bypass', 'Discard' {
        $value = @{ $_ = $null }
        $null = Set-PcpuTunnel full @value
        $field = @{ LocalSelector = 'localSelectors'; RemoteSelector = 'remoteSelectors'; IkeSuite = 'ikeSuites'; EspSuite = 'espSuites'; InterfaceName = 'xfrmInterface' }[$_] ?? $_
        $sent = $told.Body | ConvertFrom-Json -AsHashtable
        $expected = $full | ConvertFrom-Json -AsHashtable
        $sent.Keys | Should -Not -Contain $field
        $expected.Keys | Where-Object { $_ -notin $sent.Keys } | Should -Be $field
        $null = Set-PcpuTunnel plain @value -WhatIf
    }

    It 'is told by its name, too' {
        $null = 'full' | Set-PcpuTunnel -ReplayWindow 512
        $told.Body | Should -Be $full.Replace('"replayWindow":256', '"replayWindow":512')
    }

    It 'is read of rows of text' {
        $null = @"
Name,LocalAddress,RemoteAddress,LocalSelectors,RemoteSelectors,LocalId,ReplayWindow,Mode,Esn,PerCpu,LivenessSeconds,Mss,Bypass
row,10.0.0.1,10.0.0.2,10.1.0.0/24,10.2.0.0/24,,1024,Transport,TRUE,,7.5,1300,10.2.0.1/32
"@ | ConvertFrom-Csv | New-PcpuTunnel
        $told.Body | Should -Be '{"name":"row","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","localSelectors":["10.1.0.0/24"],"remoteSelectors":["10.2.0.0/24"],"mode":"transport","esn":true,"replayWindow":1024,"livenessSeconds":7.5,"mss":1300,"bypass":[{"remote":"10.2.0.1/32"}]}'
    }

    It 'takes perCpu of a row as it is: <Value>' -ForEach @(
        @{ Value = $true; Sent = ',"perCpu":{}}' }
        @{ Value = $false; Sent = '}' }
        @{ Value = $null; Sent = '}' }
        @{ Value = @{ Cpus = 1 }; Sent = ',"perCpu":{"cpus":[1]}}' }
    ) {
        $null = [pscustomobject]@{ Name = 'plain'; LocalAddress = '10.0.0.1'; RemoteAddress = '10.0.0.2'; PerCpu = $Value } | New-PcpuTunnel
        $told.Body | Should -Be $plain.Replace('}', $Sent)
    }

    It 'is refused as a whole with <Says>' -ForEach @(
        @{ Says = 'LocalSelector: there is no such field; allowed: name, *localSelectors*'; Row = @{ LocalSelector = '10.1.0.0/24' } }
        @{ Says = 'perCpu.cpu: there is no such field; allowed: cpus, *'; Row = @{ PerCpu = @{ cpu = 1 } } }
        @{ Says = "perCpu: 'PerCpuDefinition { * }' is not allowed; allowed: an object"; Row = @{ PerCpu = 'PerCpuDefinition { Cpus = }' } }
        @{ Says = "replayWindow: '12.5' is not allowed; allowed: a whole number"; Row = @{ ReplayWindow = 12.5 } }
        @{ Says = "forceEncapsulation: 'yes' is not allowed; allowed: true, false"; Row = @{ ForceEncapsulation = 'yes' } }
        @{ Says = "mode: '1' is not allowed; allowed: Tunnel, Transport"; Row = @{ Mode = 1 } }
        @{ Says = "livenessSeconds: 'NaN' is not allowed; allowed: a number"; Row = @{ LivenessSeconds = [double]::NaN } }
        @{ Says = "localSelectors: 'System.Collections.Hashtable' is not allowed; allowed: a single value"; Row = @{ LocalSelectors = @{ a = 1 } } }
        @{ Says = "localSelectors: '' is not allowed; allowed: no empty entry"; Row = @{ LocalSelectors = @($null) } }
        @{ Says = 'preSharedKey: no object may have it; *'; Row = @{ PreSharedKey = 'secret' } }
        @{ Says = 'remoteAddress: it is needed'; Row = @{ RemoteAddress = '' } }
    ) {
        $fields = @{ Name = 'x'; LocalAddress = '10.0.0.1'; RemoteAddress = '10.0.0.2' }
        foreach ($field in $Row.Keys) { $fields[$field] = $Row[$field] }
        $wrong = [pscustomobject]$fields
        foreach ($cmdlet in 'New-PcpuTunnel', 'Set-PcpuTunnel') {
            { $wrong | & $cmdlet -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidOption,*' -ExpectedMessage $Says
            # The next one is done.
            $told.Body = $null
            $null = $wrong, [pscustomobject]@{ Name = 'plain'; LocalAddress = '10.0.0.1'; RemoteAddress = '10.0.0.2' } | & $cmdlet -ErrorAction SilentlyContinue
            $told.Body | Should -Be $plain
        }
    }

    It 'is nothing else: <_>' -ForEach '5', '[System.IO.FileInfo]::new("/x")' {
        { & ([scriptblock]::Create($_)) | New-PcpuTunnel -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidOption,*' -ExpectedMessage "Definition: '*' is not allowed; allowed: a tunnel, *"
        { & ([scriptblock]::Create($_)) | Set-PcpuTunnel -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidOption,*'
    }

    It 'does not take the key file that is another tunnel''s' {
        $row = $plain | ConvertFrom-Json
        $row | Add-Member preSharedKeyFile /etc/pcpu-ipsec/tunnels.d/plain.key
        $null = $row | New-PcpuTunnel
        { $row | New-PcpuTunnel copy -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidOption,*' -ExpectedMessage "PreSharedKeyFile: '/etc/pcpu-ipsec/tunnels.d/plain.key' is another tunnel's*"
    }

    It 'has a key that is text, or none' {
        $half = [securestring]::new()
        $half.AppendChar([char]0xd800)
        { New-PcpuTunnel x 10.0.0.1 10.0.0.2 -PreSharedKey $half -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidOption,*' -ExpectedMessage 'PreSharedKey: it has half a surrogate pair*'
        $told.Body | Should -BeNullOrEmpty
    }

    It 'is shown field by field' {
        $shown = Get-PcpuTunnel full | Format-List | Out-String -Width 80
        foreach ($line in 'LocalSelectors: 10.1.0.0/24, 10.1.1.0/24', 'PerCpu: Cpus 0, 1; OnDemand False; MaxChildSas 9', 'Bypass: Remote 10.2.0.1/32, Local 10.1.0.1/32; Remote 10.2.0.2/32', 'Mss: 1300') {
            $shown | Should -Match ([regex]::Escape($line))
        }
        $shown | Should -Not -Match 'Definition \{'
    }
}
