#define TRACE
using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

// One-time passwords inside your own process: create a code, have it delivered, verify it exactly once. This calls the
// library libotp.so.0, or the one that the environment variable LIBOTP_LIBRARY names. otp.h tells what configurations,
// requests and replies hold.
namespace Libotp
{
    /// <summary>What a call came to. <c>Ok</c> is the only yes. Refusals, which are positive, are to show the user and
    /// come back in a <see cref="Reply"/>; failures, which are negative, are to log and come in an
    /// <see cref="OtpException"/>. Treat a number that you do not know by its sign.</summary>
    public enum Result
    {
        Ok = 0,
        NotValid = 1, Checked = 2, Expired = 3, Locked = 4, RateLimited = 5, Cancelled = 6, Refused = 7, Unknown = 8,
        Argument = -1, Config = -2, Store = -3, Busy = -4, Send = -5, InDoubt = -6, Signature = -7, Unsigned = -8,
        Random = -9, Unsupported = -10, Internal = -11,
    }

    /// <summary>What a <see cref="Sender"/> answers: perhaps sent, so the code stays good; sent; certainly not sent, so
    /// that the next step of the workflow is tried.</summary>
    public enum Delivery { InDoubt = 0, Sent = 1, NotSent = 2 }

    /// <summary>How much a log event matters.</summary>
    public enum LogLevel { Error = 1, Warning = 2, Info = 3, Debug = 4 }

    /// <summary>Delivers a message, for sender "host": its <c>text</c> to <c>to</c>; <c>otp_send_fn</c> in <c>otp.h</c>
    /// lists the fields. An exception means that the message may have been sent: the code stays good.</summary>
    public delegate Delivery Sender(Fields message);

    /// <summary>Takes a log event; "Log events" in <c>otp.h</c> lists the fields.</summary>
    public delegate void Log(LogLevel level, Fields logEvent);

    /// <summary>Tells the time in milliseconds since 1970. The system's clock is read where it throws.</summary>
    public delegate long Clock();

    /// <summary>A JSON object of the library: a message to send, a log event, or a <see cref="Reply"/>.</summary>
    public class Fields
    {
        internal Fields(string json) { Json = json; }

        /// <summary>The object as the library wrote it. It may hold a code: keep it out of logs.</summary>
        public string Json { get; }

        /// <summary>A text, number or boolean as text, else "". Dots lead inside: "delivery.steps.1.at".</summary>
        public string Text(string field)
        {
            byte[] json = C.Utf8(Json, "json"), name = C.Utf8(field, nameof(field)), text = new byte[256];
            int size;
            while ((size = (int)C.otp_reply_text(json, name, text, C.Size(text))) >= text.Length)
                text = new byte[size + 1];
            return Encoding.UTF8.GetString(text, 0, size);
        }

        /// <summary>A whole number, or a boolean as 1 or 0; <paramref name="otherwise"/> where there is none.</summary>
        public long Integer(string field, long otherwise) =>
            C.otp_reply_integer(C.Utf8(Json, "json"), C.Utf8(field, nameof(field)), otherwise);
    }

    /// <summary>What a call came to, and what the library said about it.</summary>
    public sealed class Reply : Fields
    {
        internal Reply(Result result, string json) : base(json) { Result = result; }

        /// <summary>OK, a refusal or a failure.</summary>
        public Result Result { get; }

        /// <summary>Whether the result is OK, the only yes.</summary>
        public bool IsOk => Result == Result.Ok;

        /// <summary>The name of the result, such as "OTP_NOT_VALID".</summary>
        public string Name => C.Text(C.otp_result_name(Result));

        /// <summary>For a refusal the sentence to show, for a failure the cause; "" of OK.</summary>
        public string Message => Text("message");

        /// <summary>The HTTP status with which a web service answers this result.</summary>
        public int HttpStatus => C.otp_result_http_status(Result);

        /// <summary>The name alone: the reply may hold a code.</summary>
        public override string ToString() => Name;
    }

    /// <summary>The library could not answer: log it. What a sender threw is the inner exception.</summary>
    public sealed class OtpException : Exception
    {
        internal OtpException(Reply reply, Exception cause) : base(reply.Name + ": " + reply.Message, cause) =>
            Reply = reply;

        /// <summary>All that the library said.</summary>
        public Reply Reply { get; }

        /// <summary>A negative number, such as <c>Result.Send</c>.</summary>
        public Result Result => Reply.Result;

        /// <summary>The name of the result, such as "OTP_E_SEND".</summary>
        public string Name => Reply.Name;
    }

    /// <summary>Writes the JSON object of a request, and escapes what needs it. A member that is there
    /// already, or finds no room, is an <see cref="ArgumentException"/>.</summary>
    public sealed class Request
    {
        readonly byte[] buffer = new byte[16 * 1024 + 1];

        /// <summary>Adds a member with a text.</summary>
        public Request Text(string field, string text) => Added(field,
            C.otp_request_text(buffer, C.Size(buffer), C.Utf8(field, nameof(field)), C.Utf8(text, nameof(text))));

        /// <summary>Adds a text for a name that stands in braces in the message.</summary>
        public Request Param(string name, string text) => Added(name,
            C.otp_request_param(buffer, C.Size(buffer), C.Utf8(name, nameof(name)), C.Utf8(text, nameof(text))));

        /// <summary>The object.</summary>
        public string Json => buffer[0] == 0 ? "{}" : C.Text(buffer);

        Request Added(string field, Result result) =>
            result == Result.Ok ? this : throw new ArgumentException("the request cannot take " + field);
    }

    /// <summary>Creates codes, has them delivered, and verifies each once. Any number of threads may use one at once;
    /// calls block. Every call gives back a <see cref="Reply"/>, which is OK or a refusal. It throws
    /// <see cref="OtpException"/> where the library could not answer, <see cref="ArgumentException"/> for a text with a
    /// NUL character or half a surrogate pair in it, and <see cref="ObjectDisposedException"/> once the service is
    /// closed. An argument that is null is passed on as NULL. Close it: one that nobody refers to any more is closed
    /// when it is collected, but a callback that refers to its own service keeps it.</summary>
    public sealed class Service : IDisposable
    {
        IntPtr handle;

        /// <summary>Opens a service.</summary>
        /// <param name="config">The configuration, one JSON object. Null: all defaults.</param>
        /// <param name="sender">Delivers messages: only with the configuration's sender "host". May be null.</param>
        /// <param name="clock">Tells the time in place of the system's clock. May be null.</param>
        /// <param name="log">Takes log events of all levels. May be null. What it throws is traced.</param>
        public Service(string config, Sender sender = null, Clock clock = null, Log log = null)
        {
            Opening = C.Run(reply => C.otp_open(C.Utf8(config, nameof(config)), out handle, reply, C.Size(reply)));
            try
            {
                if (clock != null) C.Check(C.otp_on_clock(handle, C.OnClock, C.Keep(clock), C.OnDrop));
                if (log != null) C.Check(C.otp_on_log(handle, LogLevel.Debug, C.OnLog, C.Keep(log), C.OnDrop));
                if (sender != null) C.Check(C.otp_on_send(handle, C.OnSend, C.Keep(sender), C.OnDrop));
            }
            catch { Close(); throw; }
        }

        /// <summary>The version of the library, such as "0.1.0".</summary>
        public static string Version => C.Text(C.otp_version());

        /// <summary>Closes a service that nobody closed.</summary>
        // When the process ends, Mono has stopped the library's thread, and closing would wait for it in vain.
        ~Service() { if (!Environment.HasShutdownStarted) Close(); }

        /// <summary>What the library said when it opened, such as <c>warnings</c>.</summary>
        public Reply Opening { get; }

        /// <summary>Draws a code for <paramref name="token"/> and has it delivered; it replaces the token's live one.
        /// Let nobody outside choose both a token and an address: whoever does receives its code. The request is one
        /// JSON object: see <see cref="Request"/>. It is null only with sender "none".</summary>
        public Reply Create(string token, string request) => Call((service, reply) => C.otp_create(service,
            C.Utf8(token, nameof(token)), C.Utf8(request, nameof(request)), reply, C.Size(reply)));

        /// <summary>Sends the token's code again: the same code, from the first step of the workflow.</summary>
        public Reply Resend(string token) => Call(C.otp_resend, token, nameof(token));

        /// <summary>Sends the token's code again, from the first step with this channel on.</summary>
        public Reply ResendChannel(string token, string channel) => Call((service, reply) => C.otp_resend_channel(
            service, C.Utf8(token, nameof(token)), C.Utf8(channel, nameof(channel)), reply, C.Size(reply)));

        /// <summary>With sender "none": says that the last message certainly did not leave; gets the next.</summary>
        public Reply NotSent(string token) => Call(C.otp_not_sent, token, nameof(token));

        /// <summary>Checks a code and uses it up. Let somebody in on <see cref="Reply.IsOk"/> and on nothing else.
        /// With a <paramref name="context"/> it also checks what the code approves; null is none, "" is one.</summary>
        public Reply Verify(string token, string code, string context = null) => Call((service, reply) =>
            C.otp_verify_context(service, C.Utf8(token, nameof(token)), C.Utf8(code, nameof(code)),
                C.Utf8(context, nameof(context)), reply, C.Size(reply)));

        /// <summary>Cancels the token's code, for good.</summary>
        public Reply Cancel(string token) => Call(C.otp_cancel, token, nameof(token));

        /// <summary>Says how the token's code stands. It sends nothing and counts nothing.</summary>
        public Reply Status(string token) => Call(C.otp_status, token, nameof(token));

        /// <summary>Takes a webhook of the carrier: the header Authorization, or null, and the bytes of the body.
        /// Answer it with <see cref="Reply.HttpStatus"/>, also with that of an <see cref="OtpException"/>.</summary>
        public Reply Webhook(string authorization, byte[] body) => Call((service, reply) => C.otp_webhook(service,
            C.Utf8(authorization, nameof(authorization)), body, C.Size(body), reply, C.Size(reply)));

        /// <summary>Stores a receipt that you have authenticated: one JSON object, such as
        /// <c>{"clientRef": "...", "status": "delivered"}</c>. Its <c>known</c> says whether it is about a delivery
        /// here.</summary>
        public Reply Report(string report) => Call(C.otp_report, report, nameof(report));

        /// <summary>Sends the steps that are due and removes old codes: call it once a second, or a minute.</summary>
        public Reply RunDue() => Call((service, reply) => C.otp_run_due(service, reply, C.Size(reply)));

        /// <summary>Says what the service has counted: <c>Integer("calls.create.OTP_OK")</c>.</summary>
        public Reply Metrics() => Call((service, reply) => C.otp_metrics(service, reply, C.Size(reply)));

        /// <summary>Copies the repository into another one: a backup, or with <c>{"move": true}</c> a move.</summary>
        public Reply Copy(string repository, string options = null) => Call((service, reply) => C.otp_copy(service,
            C.Utf8(repository, nameof(repository)), C.Utf8(options, nameof(options)), reply, C.Size(reply)));

        /// <summary>Says how a subject stands. For operators.</summary>
        public Reply Subject(string subject) => Call(C.otp_subject, subject, nameof(subject));

        /// <summary>Forgets the failures of a subject, lifts its lock, and enables it again. For operators.</summary>
        public Reply Unlock(string subject) => Call(C.otp_unlock, subject, nameof(subject));

        /// <summary>Erases every code that was sent to a recipient. For operators.</summary>
        public Reply Erase(string recipient) => Call(C.otp_erase, recipient, nameof(recipient));

        /// <summary>Waits for calls of other threads, except in a callback. A second time is harmless.</summary>
        public void Close()
        {
            var service = Interlocked.Exchange(ref handle, IntPtr.Zero);
            if (service != IntPtr.Zero) C.otp_close(service);
            GC.SuppressFinalize(this);
        }

        /// <summary>As <see cref="Close"/>.</summary>
        public void Dispose() => Close();

        Reply Call(C.OfText function, string text, string name) =>
            Call((service, reply) => function(service, C.Utf8(text, name), reply, C.Size(reply)));

        Reply Call(Func<IntPtr, byte[], Result> function)
        {
            var service = Volatile.Read(ref handle);
            if (service == IntPtr.Zero) throw new ObjectDisposedException(nameof(Service));
            var answer = C.Run(reply => function(service, reply));
            // Otherwise the service could be collected, and so closed, during its last call.
            GC.KeepAlive(this);
            return answer;
        }
    }

    // The functions of otp.h, and what goes between them and C#.
    static class C
    {
        static readonly Encoding Strict = new UTF8Encoding(false, true);
        static readonly IntPtr Library = Load();

        // By dlopen() and not by DllImport, whose name of a library is fixed when it is compiled.
        static IntPtr Load()
        {
            var path = Environment.GetEnvironmentVariable("LIBOTP_LIBRARY");
            var library = dlopen(Utf8(string.IsNullOrEmpty(path) ? "libotp.so.0" : path, "path"), 2 /* RTLD_NOW */);
            return library != IntPtr.Zero ? library : throw new DllNotFoundException(Text(dlerror()));
        }

        static C()
        {
            if (Find<Number>("otp_abi_version")() != 0) throw new DllNotFoundException("OTP_ABI_VERSION is not 0");
        }

        static T Find<T>(string name)
        {
            var function = dlsym(Library, Utf8(name, nameof(name)));
            if (function == IntPtr.Zero) throw new EntryPointNotFoundException("libotp has no " + name);
            return Marshal.GetDelegateForFunctionPointer<T>(function);
        }

        // UTF-8 ended by NUL. What C would cut or .NET replace is refused: it would come to stand for another text.
        internal static byte[] Utf8(string text, string name)
        {
            if (text == null) return null;
            if (text.IndexOf('\0') >= 0) throw new ArgumentException("has a NUL character in it", name);
            try { return Strict.GetBytes(text + '\0'); }
            catch (EncoderFallbackException) { throw new ArgumentException("has half a surrogate pair in it", name); }
        }

        internal static string Text(byte[] text) => Encoding.UTF8.GetString(text, 0, Array.IndexOf(text, (byte)0));

        internal static string Text(IntPtr text)
        {
            var size = 0;
            while (Marshal.ReadByte(text, size) != 0) size++;
            var bytes = new byte[size];
            Marshal.Copy(text, bytes, 0, size);
            return Encoding.UTF8.GetString(bytes);
        }

        internal static UIntPtr Size(byte[] bytes) => new UIntPtr((uint)(bytes == null ? 0 : bytes.Length));

        // The call that runs on this thread, and what the sender threw in it.
        sealed class Running { internal Exception Thrown; }
        [ThreadStatic] static Running running;

        internal static Reply Run(Func<byte[], Result> function)
        {
            var buffer = new byte[4096];
            Running outer = running, call = running = new Running();
            Result result;
            try { result = function(buffer); }
            finally { running = outer; }
            var reply = new Reply(result, Text(buffer));
            if (call.Thrown is ThreadAbortException) Thread.CurrentThread.Abort();
            if (result < 0) throw new OtpException(reply, call.Thrown);
            if (call.Thrown != null) Caught(call.Thrown, false);
            return reply;
        }

        // Throws unless a setter succeeded. It has no reply, so one is made.
        internal static void Check(Result result)
        {
            if (result == Result.Ok) return;
            var json = new Request().Text("result", Text(otp_result_name(result)));
            json.Text("message", Text(otp_result_message(result)));
            throw new OtpException(new Reply(result, json.Json), null);
        }

        // One function of each kind serves all services and is never freed, so none goes under a call. The user data is
        // what keeps the callback until the library drops it.
        internal static IntPtr Keep(object callback) => GCHandle.ToIntPtr(GCHandle.Alloc(callback));
        static object Kept(IntPtr userData) => GCHandle.FromIntPtr(userData).Target;

        internal delegate Delivery SendFunction(IntPtr userData, IntPtr message);
        internal delegate void LogFunction(IntPtr userData, LogLevel level, IntPtr logEvent);
        internal delegate long ClockFunction(IntPtr userData);
        internal delegate void DropFunction(IntPtr userData);

        internal static readonly SendFunction OnSend = (userData, message) =>
        {
            try { return ((Sender)Kept(userData))(new Fields(Text(message))); }
            catch (Exception thrown) { Caught(thrown, true); return Delivery.InDoubt; }
        };
        internal static readonly LogFunction OnLog = (userData, level, logEvent) =>
        {
            try { ((Log)Kept(userData))(level, new Fields(Text(logEvent))); }
            catch (Exception thrown) { Caught(thrown, false); }
        };
        internal static readonly ClockFunction OnClock = userData =>
        {
            try { return ((Clock)Kept(userData))(); }
            catch (Exception thrown) { Caught(thrown, false); return DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(); }
        };
        internal static readonly DropFunction OnDrop = userData => GCHandle.FromIntPtr(userData).Free();

        // No exception may go through C. A sender's is told by the call that runs; the library's own thread runs none.
        // An abort would go on when the handler ends, so it is put off until the call ends.
        static void Caught(Exception thrown, bool tell)
        {
            var isAbort = thrown is ThreadAbortException;
            if (isAbort) Thread.ResetAbort();
            if (running != null && (tell || isAbort)) running.Thrown = thrown;
            else try { Trace.TraceError("libotp: a callback threw " + thrown); }
            catch (Exception) { }
        }

        [DllImport("libdl.so.2")] static extern IntPtr dlopen(byte[] path, int flags);
        [DllImport("libdl.so.2")] static extern IntPtr dlsym(IntPtr library, byte[] name);
        [DllImport("libdl.so.2")] static extern IntPtr dlerror();

        internal delegate uint Number();
        internal delegate IntPtr OfNone();
        internal delegate Result OfOpen(byte[] config, out IntPtr service, byte[] reply, UIntPtr size);
        internal delegate void OfClose(IntPtr service);
        internal delegate Result OfNothing(IntPtr service, byte[] reply, UIntPtr size);
        internal delegate Result OfText(IntPtr service, byte[] a, byte[] reply, UIntPtr size);
        internal delegate Result OfTwo(IntPtr service, byte[] a, byte[] b, byte[] reply, UIntPtr size);
        internal delegate Result OfThree(IntPtr service, byte[] a, byte[] b, byte[] c, byte[] reply, UIntPtr size);
        internal delegate Result OfBody(IntPtr service, byte[] a, byte[] b, UIntPtr length, byte[] reply, UIntPtr size);
        internal delegate Result SetSend(IntPtr service, SendFunction send, IntPtr data, DropFunction drop);
        internal delegate Result SetLog(IntPtr service, LogLevel max, LogFunction log, IntPtr data, DropFunction drop);
        internal delegate Result SetClock(IntPtr service, ClockFunction clock, IntPtr data, DropFunction drop);
        internal delegate IntPtr TextOf(Result result);
        internal delegate int NumberOf(Result result);
        internal delegate long ReadInteger(byte[] reply, byte[] field, long otherwise);
        internal delegate UIntPtr ReadText(byte[] reply, byte[] field, byte[] text, UIntPtr size);
        internal delegate Result AddText(byte[] request, UIntPtr size, byte[] field, byte[] text);

        internal static readonly OfNone otp_version = Find<OfNone>("otp_version");
        internal static readonly OfOpen otp_open = Find<OfOpen>("otp_open");
        internal static readonly OfClose otp_close = Find<OfClose>("otp_close");
        internal static readonly OfTwo otp_create = Find<OfTwo>("otp_create"),
            otp_resend_channel = Find<OfTwo>("otp_resend_channel"), otp_copy = Find<OfTwo>("otp_copy");
        internal static readonly OfText otp_resend = Find<OfText>("otp_resend"),
            otp_not_sent = Find<OfText>("otp_not_sent"), otp_cancel = Find<OfText>("otp_cancel"),
            otp_status = Find<OfText>("otp_status"), otp_report = Find<OfText>("otp_report"),
            otp_subject = Find<OfText>("otp_subject"),
            otp_unlock = Find<OfText>("otp_unlock"), otp_erase = Find<OfText>("otp_erase");
        internal static readonly OfThree otp_verify_context = Find<OfThree>("otp_verify_context");
        internal static readonly OfBody otp_webhook = Find<OfBody>("otp_webhook");
        internal static readonly OfNothing otp_run_due = Find<OfNothing>("otp_run_due"),
            otp_metrics = Find<OfNothing>("otp_metrics");
        internal static readonly SetSend otp_on_send = Find<SetSend>("otp_on_send");
        internal static readonly SetLog otp_on_log = Find<SetLog>("otp_on_log");
        internal static readonly SetClock otp_on_clock = Find<SetClock>("otp_on_clock");
        internal static readonly TextOf otp_result_name = Find<TextOf>("otp_result_name"),
            otp_result_message = Find<TextOf>("otp_result_message");
        internal static readonly NumberOf otp_result_http_status = Find<NumberOf>("otp_result_http_status");
        internal static readonly ReadInteger otp_reply_integer = Find<ReadInteger>("otp_reply_integer");
        internal static readonly ReadText otp_reply_text = Find<ReadText>("otp_reply_text");
        internal static readonly AddText otp_request_text = Find<AddText>("otp_request_text"),
            otp_request_param = Find<AddText>("otp_request_param");
    }
}
