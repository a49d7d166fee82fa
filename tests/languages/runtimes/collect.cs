// Collects garbage after a callback came on the driver's thread: the runtime stops that thread by a signal, and waits.
using System;
using System.Runtime.InteropServices;
using System.Threading;

static class Collect
{
    delegate void Log(IntPtr userData, int level, IntPtr text);

    [DllImport("otp")]
    static extern int otp_open(string config, out IntPtr service, byte[] reply, UIntPtr size);

    [DllImport("otp")]
    static extern int otp_on_log(IntPtr service, int level, Log log, IntPtr userData, IntPtr drop);

    [DllImport("otp")]
    static extern int otp_run_due(IntPtr service, byte[] reply, UIntPtr size);

    [DllImport("otp")]
    static extern void otp_close(IntPtr service);

    static int Main()
    {
        var reply = new byte[4096];
        var size = new UIntPtr(4096);
        const string config = "{\"repository\": \"memory:\", \"sender\": {\"type\": \"none\"}, \"background\": true}";
        if (otp_open(config, out var service, reply, size) != 0) return 1;
        var main = Thread.CurrentThread.ManagedThreadId;
        var elsewhere = new ManualResetEvent(false);
        Log log = (userData, level, text) =>
        {
            if (Thread.CurrentThread.ManagedThreadId != main) elsewhere.Set();
        };
        if (otp_on_log(service, 4, log, IntPtr.Zero, IntPtr.Zero) != 0) return 2;
        // The first call starts the driver.
        if (otp_run_due(service, reply, size) != 0) return 3;
        if (!elsewhere.WaitOne(TimeSpan.FromSeconds(30))) return 4;
        for (var round = 0; round < 20; round++)
        {
            var garbage = new byte[100][];
            for (var i = 0; i < garbage.Length; i++) garbage[i] = new byte[10000];
            GC.Collect();
        }
        otp_close(service);
        GC.KeepAlive(log);
        Console.WriteLine("collected");
        return 0;
    }
}
