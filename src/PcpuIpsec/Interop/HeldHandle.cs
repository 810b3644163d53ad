using System.Runtime.InteropServices;

namespace PcpuIpsec.Interop;

/// <summary>
/// Keeps a handle from being freed while several calls in a row use its bare pointer: one count up and one down for all of them,
/// and still an <see cref="ObjectDisposedException"/> rather than freed memory where another thread disposed it.
/// </summary>
internal readonly ref struct HeldHandle
{
    private readonly SafeHandle _handle;

    public HeldHandle(SafeHandle handle)
    {
        bool held = false;
        handle.DangerousAddRef(ref held);
        _handle = handle;
    }

    /// <summary>Valid until this is disposed.</summary>
    public nint Pointer => _handle.DangerousGetHandle();

    public void Dispose() => _handle.DangerousRelease();
}
