package libotp;

import com.sun.jna.Callback;
import com.sun.jna.CallbackThreadInitializer;
import com.sun.jna.Function;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import java.io.File;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/**
 * One-time passwords inside your own process: create a code, have it delivered, verify it exactly once.
 *
 * <p>It calls the library {@code libotp.so.0} through JNA, or the one that the environment variable
 * {@code LIBOTP_LIBRARY} names. {@code otp.h} tells what configurations, requests and replies hold.
 */
public final class Otp {
  private Otp() {}

  /** The only yes. */
  public static final int OK = 0;
  /** Refusals, to show the user: they come back in a {@link Reply}. */
  public static final int NOT_VALID = 1, CHECKED = 2, EXPIRED = 3, LOCKED = 4, RATE_LIMITED = 5, CANCELLED = 6,
      REFUSED = 7, UNKNOWN = 8;
  /** Failures, to log: they are thrown in a {@link Failure}. */
  public static final int E_ARGUMENT = -1, E_CONFIG = -2, E_STORE = -3, E_BUSY = -4, E_SEND = -5, E_IN_DOUBT = -6,
      E_SIGNATURE = -7, E_UNSIGNED = -8, E_RANDOM = -9, E_UNSUPPORTED = -10, E_INTERNAL = -11;
  /** What a {@link Sender} answers: perhaps sent, so the code stays good; sent; certainly not sent. */
  public static final int IN_DOUBT = 0, SENT = 1, NOT_SENT = 2;
  /** Levels of a {@link Log}. */
  public static final int LOG_ERROR = 1, LOG_WARNING = 2, LOG_INFO = 3, LOG_DEBUG = 4;

  /** The version of the library, such as "0.1.0". */
  public static String version() { return C.text("otp_version"); }

  /**
   * Creates codes, has them delivered, and verifies each once. Any number of threads may use one at once; calls block.
   *
   * <p>Every call gives back a {@link Reply}, which is OK or a refusal. It throws {@link Failure} where the library
   * could not answer, {@link IllegalArgumentException} for a text with a NUL character or half a surrogate pair in it,
   * and {@link IllegalStateException} once the service is closed. An argument that is null is passed on as NULL.
   *
   * <p>Close it. One that nobody refers to any more is closed when it is collected, but a callback that refers to its
   * own service keeps it.
   */
  public static final class Service implements AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();
    private volatile long handle;
    private final Cleaner.Cleanable closing;
    private final Reply opening;

    /** Opens a service without callbacks. */
    public Service(String config) { this(config, null, null, null); }

    /**
     * @param config the configuration, one JSON object; null: all defaults
     * @param sender delivers messages; only with {@code {"sender": {"type": "host"}}}; null: the library's own sender
     * @param clock milliseconds since 1970; the system's clock is read where it throws, or is null
     * @param log takes log events of all levels; may be null
     */
    public Service(String config, Sender sender, LongSupplier clock, Log log) {
      long[] opened = new long[1];
      opening = Call.run("otp_open", utf8(config, "config"), opened, null, null);
      long service = opened[0];
      handle = service;
      // This must not refer to the object, or it would never be collected.
      closing = CLEANER.register(this, () -> C.function("otp_close").invokeVoid(new Object[] {service}));
      try {
        if (clock != null) C.set("otp_on_clock", service, C.CLOCK, C.keep(clock), C.DROP);
        if (log != null) C.set("otp_on_log", service, LOG_DEBUG, C.LOG, C.keep(log), C.DROP);
        if (sender != null) C.set("otp_on_send", service, C.SEND, C.keep(sender), C.DROP);
      } catch (Throwable failed) {
        close();
        throw failed;
      }
    }

    /** What the library said when it opened: its {@code warnings} name what is allowed and not advisable. */
    public Reply opening() { return opening; }

    /**
     * Draws a code for {@code token} and has it delivered; it replaces the token's live one. Let nobody outside choose
     * both a token and an address: whoever does receives its code.
     * The request is one JSON object, which {@link Request} helps to write; null only with sender "none".
     */
    public Reply create(String token, String request) {
      return call("otp_create", utf8(token, "token"), utf8(request, "request"));
    }

    /** Sends the token's code again: the same code, from the first step of the workflow. */
    public Reply resend(String token) { return call("otp_resend", utf8(token, "token")); }

    /** Sends the token's code again, from the first step with this channel on. */
    public Reply resendChannel(String token, String channel) {
      return call("otp_resend_channel", utf8(token, "token"), utf8(channel, "channel"));
    }

    /** With sender "none": says that the last message certainly did not leave, and gets the next one. */
    public Reply notSent(String token) { return call("otp_not_sent", utf8(token, "token")); }

    /** Checks a code and uses it up. Let somebody in on {@link Reply#isOk()} and on nothing else. */
    public Reply verify(String token, String code) { return verify(token, code, null); }

    /** Checks a code together with what it approves; null is no context, "" is one. */
    public Reply verify(String token, String code, String context) {
      return call("otp_verify_context", utf8(token, "token"), utf8(code, "code"), utf8(context, "context"));
    }

    /** Cancels the token's code, for good. */
    public Reply cancel(String token) { return call("otp_cancel", utf8(token, "token")); }

    /** Says how the token's code stands. It sends nothing and counts nothing. */
    public Reply status(String token) { return call("otp_status", utf8(token, "token")); }

    /**
     * Takes a webhook of the carrier: the header Authorization, or null, and the bytes of the body. Answer it with
     * {@link Reply#httpStatus()}, also with that of a {@link Failure}.
     */
    public Reply webhook(String authorization, byte[] body) {
      return call("otp_webhook", utf8(authorization, "authorization"), body, body == null ? 0L : body.length);
    }

    /**
     * Stores a receipt that you have authenticated: one JSON object, such as
     * {@code {"clientRef": "...", "status": "delivered"}}. Its {@code known} says whether it is about a delivery here.
     */
    public Reply report(String report) { return call("otp_report", utf8(report, "report")); }

    /** Sends steps whose time has come and removes old codes: call it about once a second with timed steps. */
    public Reply runDue() { return call("otp_run_due"); }

    /** Says what was counted since the service was opened: {@code integer("calls.create.OTP_OK", 0)}. */
    public Reply metrics() { return call("otp_metrics"); }

    /** Copies the whole repository into another one: a backup, or with options {@code {"move": true}} a move. */
    public Reply copy(String repository, String options) {
      return call("otp_copy", utf8(repository, "repository"), utf8(options, "options"));
    }

    /** Says how a subject stands. For operators. */
    public Reply subject(String subject) { return call("otp_subject", utf8(subject, "subject")); }

    /** Forgets the failures of a subject, lifts its lock, and enables it again. For operators. */
    public Reply unlock(String subject) { return call("otp_unlock", utf8(subject, "subject")); }

    /** Erases every code that was sent to a recipient. For operators. */
    public Reply erase(String recipient) { return call("otp_erase", utf8(recipient, "recipient")); }

    /** Closes the service: waits for calls of other threads. In a callback it returns at once. Twice is harmless. */
    @Override public void close() {
      handle = 0;
      closing.clean();
    }

    private Reply call(String function, Object... arguments) {
      long service = handle;
      if (service == 0) throw new IllegalStateException("the service is closed");
      Object[] all = new Object[arguments.length + 3];
      all[0] = service;
      System.arraycopy(arguments, 0, all, 1, arguments.length);
      try {
        return Call.run(function, all);
      } finally {
        // Otherwise the service could be collected, and so closed, during its last call.
        Reference.reachabilityFence(this);
      }
    }
  }

  /** A JSON object of the library: a message to send, a log event, or a {@link Reply}. */
  public static class Fields {
    private final String json;

    private Fields(String json) { this.json = json; }

    /** A text, number or boolean as text; "" where there is none. Dots lead inside: "delivery.steps.1.at". */
    public String text(String field) {
      byte[] text = new byte[256];
      int size = text(field, text);
      if (size >= text.length) text(field, text = new byte[size + 1]);
      return new String(text, 0, size, StandardCharsets.UTF_8);
    }

    private int text(String field, byte[] into) {
      return (int) C.number("otp_reply_text", utf8(json, "json"), utf8(field, "field"), into, (long) into.length);
    }

    /** A whole number, or a boolean as 1 or 0; {@code otherwise} where there is none. */
    public long integer(String field, long otherwise) {
      return C.number("otp_reply_integer", utf8(json, "json"), utf8(field, "field"), otherwise);
    }

    /** The object as the library wrote it. A message holds the code, and so may a reply: keep it out of logs. */
    public String json() { return json; }
  }

  /** What a call came to. */
  public static final class Reply extends Fields {
    private final int result;

    private Reply(int result, String json) { super(json); this.result = result; }

    /** {@link Otp#OK}, a refusal or a failure. Treat a number that you do not know by its sign. */
    public int result() { return result; }

    /** Whether the result is OK, the only yes. */
    public boolean isOk() { return result == OK; }

    /** The HTTP status with which a web service answers this result. */
    public int httpStatus() { return C.integer("otp_result_http_status", result); }

    /** The name of the result, such as "OTP_NOT_VALID". The text "message" is the sentence to show. */
    public String name() { return C.text("otp_result_name", result); }

    /** The name alone: the reply may hold a code. */
    @Override public String toString() { return name(); }
  }

  /** The library could not answer: log it. What a {@link Sender} threw meanwhile is the cause. */
  public static final class Failure extends RuntimeException {
    private static final long serialVersionUID = 1;
    private final transient Reply reply;

    private Failure(Reply reply, Throwable cause) {
      super(reply + ": " + reply.text("message"), cause);
      this.reply = reply;
    }

    /** A negative number, such as {@link Otp#E_SEND}. */
    public int result() { return reply.result; }

    /** The name of the result, such as "OTP_E_SEND". */
    public String name() { return reply.name(); }

    /** All that the library said. */
    public Reply reply() { return reply; }
  }

  /** Writes the JSON object of a request, and escapes what needs it. */
  public static final class Request {
    private final byte[] buffer = new byte[16 * 1024 + 1];

    /** Adds a member with a text. Throws {@link IllegalArgumentException} if it is there already or finds no room. */
    public Request text(String field, String text) { return add("otp_request_text", field, text); }

    /** Adds a text for a name that stands in braces in the message. */
    public Request param(String name, String text) { return add("otp_request_param", name, text); }

    /** The object. */
    public String json() { return buffer[0] == 0 ? "{}" : Native.toString(buffer, "UTF-8"); }

    private Request add(String function, String field, String text) {
      int result = C.integer(function, buffer, (long) buffer.length, utf8(field, "field"), utf8(text, field));
      if (result != OK) throw new IllegalArgumentException("the request cannot take " + field);
      return this;
    }
  }

  /** Delivers messages, for sender "host". */
  public interface Sender {
    /**
     * Delivers a message: its {@code text} to {@code to}; {@code otp_send_fn} in {@code otp.h} lists the fields. It
     * answers {@link Otp#SENT}; or {@link Otp#NOT_SENT}: the next step of the workflow is tried. Any other number, and
     * whatever it throws, means that the message may have been sent: the code stays good.
     */
    int send(Fields message) throws Exception;
  }

  /** Takes log events. */
  public interface Log {
    /** Takes one event; {@code otp.h} lists the fields. What it throws goes to the thread's exception handler. */
    void log(int level, Fields event) throws Exception;
  }

  /** UTF-8 ended by NUL. What C would cut or Java replace is refused: it would come to stand for another text. */
  private static byte[] utf8(String text, String name) {
    if (text == null) return null;
    if (text.indexOf(0) >= 0) throw new IllegalArgumentException(name + " has a NUL character in it");
    if (!StandardCharsets.UTF_8.newEncoder().canEncode(text))
      throw new IllegalArgumentException(name + " has half a surrogate pair in it");
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return Arrays.copyOf(bytes, bytes.length + 1);
  }

  /** A call that runs on this thread, and what the sender threw in it. */
  private static final class Call {
    private static final ThreadLocal<Call> RUNNING = new ThreadLocal<>();
    private Throwable thrown;

    /** Calls a function whose last two arguments, given as null, are the buffer for the reply and its size. */
    static Reply run(String function, Object... arguments) {
      byte[] reply = new byte[4096];
      arguments[arguments.length - 2] = reply;
      arguments[arguments.length - 1] = (long) reply.length;
      Call outer = RUNNING.get(), call = new Call();
      RUNNING.set(call);
      try {
        int result = C.integer(function, arguments);
        Reply answer = new Reply(result, Native.toString(reply, "UTF-8"));
        if (result < 0) throw new Failure(answer, call.thrown);
        if (call.thrown != null) report(call.thrown);
        return answer;
      } finally {
        RUNNING.set(outer);
      }
    }

    /** Keeps what a sender threw for the call that runs; on the library's own thread there is none. */
    static void threw(Throwable thrown) {
      Call call = RUNNING.get();
      if (call == null) report(thrown);
      else call.thrown = thrown;
    }

    static void report(Throwable thrown) {
      try {
        Thread.currentThread().getUncaughtExceptionHandler().uncaughtException(Thread.currentThread(), thrown);
      } catch (Throwable ofTheHandler) {
        // Nobody is left to tell, and nothing may go through C.
      }
    }
  }

  /** The functions of otp.h. Handles and user data are numbers to us. */
  private static final class C {
    interface SendFunction extends Callback { int call(long userData, Pointer message); }
    interface LogFunction extends Callback { void call(long userData, int level, Pointer event); }
    interface ClockFunction extends Callback { long call(long userData); }
    interface DropFunction extends Callback { void call(long userData); }

    // One function of each kind serves all services and is never freed, so none goes under a call. The user data is a
    // number by which the callback is found until the library drops it.
    private static final Map<Long, Object> KEPT = new ConcurrentHashMap<>();
    private static final AtomicLong NUMBERS = new AtomicLong();

    static long keep(Object callback) {
      long number = NUMBERS.incrementAndGet();
      KEPT.put(number, callback);
      return number;
    }

    private static Fields fields(Pointer text) { return new Fields(text.getString(0, "UTF-8")); }

    static final SendFunction SEND = (userData, message) -> {
      try {
        return ((Sender) KEPT.get(userData)).send(fields(message));
      } catch (Throwable thrown) {
        Call.threw(thrown);
        return IN_DOUBT;
      }
    };
    static final LogFunction LOG = (userData, level, event) -> {
      try {
        ((Log) KEPT.get(userData)).log(level, fields(event));
      } catch (Throwable thrown) {
        Call.report(thrown);
      }
    };
    static final ClockFunction CLOCK = userData -> {
      try {
        return ((LongSupplier) KEPT.get(userData)).getAsLong();
      } catch (Throwable thrown) {
        Call.report(thrown);
        return System.currentTimeMillis();
      }
    };
    static final DropFunction DROP = userData -> KEPT.remove(userData);

    private static final NativeLibrary LIBRARY;
    static {
      if (Native.POINTER_SIZE != 8) throw new UnsatisfiedLinkError("libotp for Java needs a 64-bit system");
      String path = System.getenv("LIBOTP_LIBRARY");
      if (path == null || path.isEmpty()) path = "libotp.so.0";
      else if (path.indexOf('/') >= 0) path = new File(path).getAbsolutePath();
      LIBRARY = NativeLibrary.getInstance(path);
      if (integer("otp_abi_version") != 0) throw new UnsatisfiedLinkError(path + ": its OTP_ABI_VERSION is not 0");
      // The thread of `background` is known to Java until it ends, and does not keep the process alive.
      CallbackThreadInitializer driver = new CallbackThreadInitializer(true, false, "otp-driver");
      for (Callback each : new Callback[] {SEND, LOG, CLOCK, DROP}) Native.setCallbackThreadInitializer(each, driver);
    }

    static Function function(String name) { return LIBRARY.getFunction(name); }
    static long number(String name, Object... arguments) { return function(name).invokeLong(arguments); }
    static int integer(String name, Object... arguments) { return function(name).invokeInt(arguments); }
    static String text(String name, Object... arguments) {
      return function(name).invokePointer(arguments).getString(0, "UTF-8");
    }

    /** Calls a setter. It has no reply, so one is made where it fails. */
    static void set(String name, Object... arguments) {
      int result = integer(name, arguments);
      if (result == OK) return;
      Request reply = new Request().text("result", text("otp_result_name", result));
      reply.text("message", text("otp_result_message", result));
      throw new Failure(new Reply(result, reply.json()), null);
    }
  }
}
