using System.Reflection;
using Xunit.Sdk;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>Every initiator, every end that acts and every kind of SA.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class CombinatorialEndsAttribute : DataAttribute
{
    public override IEnumerable<object[]> GetData(MethodInfo testMethod)
        => from initiator in Enum.GetValues<End>()
           from actor in Enum.GetValues<End>()
           from which in Enum.GetValues<WhichSa>()
           select new object[] { initiator, actor, which };
}
