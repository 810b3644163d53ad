using PcpuIpsec.Tests.Lab;
using PcpuIpsec.Tests.Namespaces;

// The test host loads this assembly and never calls this; tests start it as a program where they need a process to kill
// or one without a capability.
return args switch
{
    ["hold", string directory] => await PlaneProcess.HoldAsync(directory),
    ["create"] => await PlaneProcess.CreateAsync(),
    [LabOwner.Verb, string folder] => await LabOwner.RunAsync(folder),
    [SteeringProcess.Verb, string spi, string destination, string cpu] => SteeringProcess.Hold(spi, destination, cpu),
    _ => 2,
};
