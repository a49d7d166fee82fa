<?php

declare(strict_types=1);

/**
 * libotp for PHP: one-time passwords inside your own process. Create a short code, have it delivered, verify it once.
 *
 * It calls libotp.so.0, or the library that the environment variable LIBOTP_LIBRARY names, through FFI. The options of
 * a configuration, the members of requests and replies, and the results of each call are those of otp.h.
 */

namespace Otp;

use Closure;
use FFI;
use Throwable;
use WeakReference;

/** What a call came to. OK is the only yes; a positive number is a refusal, a negative one a failure. */
final class Result
{
    public const OK = 0;
    public const NOT_VALID = 1, CHECKED = 2, EXPIRED = 3, LOCKED = 4;
    public const RATE_LIMITED = 5, CANCELLED = 6, REFUSED = 7, UNKNOWN = 8;
    public const E_ARGUMENT = -1, E_CONFIG = -2, E_STORE = -3, E_BUSY = -4, E_SEND = -5, E_IN_DOUBT = -6;
    public const E_SIGNATURE = -7, E_UNSIGNED = -8, E_RANDOM = -9, E_UNSUPPORTED = -10, E_INTERNAL = -11;

    /** The name, such as "OTP_NOT_VALID", for logs. */
    public static function name(int $result): string { return Library::get()->otp_result_name($result); }

    /** One sentence; of a refusal the one to show the user. */
    public static function message(int $result): string { return Library::get()->otp_result_message($result); }

    /** The HTTP status with which a web service answers: 200 for OK alone. */
    public static function httpStatus(int $result): int { return Library::get()->otp_result_http_status($result); }
}

/**
 * The answer to a call: OK, or a refusal to show the user.
 *
 * The object itself is true whatever the answer: ask isOk(). Never write `if ($otp->verify(...))`.
 */
final class Reply
{
    /** The name of the result, such as "OTP_NOT_VALID". */
    public readonly string $name;
    /** @var array<string, mixed> the members, such as "attemptsLeft"; those that do not apply are absent */
    public readonly array $fields;

    /**
     * @param int $result one of the numbers of Result
     * @param string $json the reply as the library wrote it; "" if it never came to that
     */
    public function __construct(public readonly int $result, public readonly string $json)
    {
        $this->name = Result::name($result);
        $this->fields = json_decode($json, true) ?? [];
    }

    /** Whether the answer is yes: of verify(), let the user in. */
    public function isOk(): bool { return $this->result === Result::OK; }

    /** What to tell the user, or of a failure the log. */
    public function message(): string { return $this->fields['message'] ?? Result::message($this->result); }
}

/**
 * The library could not answer; or this file refused to ask it, which is E_ARGUMENT with an empty reply. To log.
 *
 * The message is one line without a code, a token, a recipient or a key. If your send function threw something, that
 * is the previous exception.
 */
final class Error extends \RuntimeException
{
    /** The number of the result: negative. */
    public readonly int $result;
    /** The name of the result, such as "OTP_E_STORE". */
    public readonly string $name;

    public function __construct(public readonly Reply $reply, ?string $message = null, ?Throwable $previous = null)
    {
        [$this->result, $this->name] = [$reply->result, $reply->name];
        parent::__construct($this->name . ': ' . ($message ?? $reply->message()), $reply->result, $previous);
    }
}

/** @internal The library as C has it. */
final class Library
{
    private const ABI_VERSION = 0;

    // As in otp.h, but for handles and user_data: both are numbers to us, and no addresses.
    private const DECLARATIONS = <<<'C'
        typedef int32_t (*otp_send_fn)(intptr_t user_data, const char *message);
        typedef void (*otp_log_fn)(intptr_t user_data, int32_t level, const char *event);
        typedef int64_t (*otp_clock_fn)(intptr_t user_data);
        struct otp_callbacks { otp_send_fn send; otp_log_fn log; otp_clock_fn clock; };
        uint32_t otp_abi_version(void);
        int32_t otp_open(const char *config, intptr_t *service, char *reply, size_t size);
        void otp_close(intptr_t service);
        int32_t otp_create(intptr_t service, const char *token, const char *request, char *reply, size_t size);
        int32_t otp_resend(intptr_t service, const char *token, char *reply, size_t size);
        int32_t otp_resend_channel(intptr_t service, const char *token, const char *channel, char *reply, size_t size);
        int32_t otp_not_sent(intptr_t service, const char *token, char *reply, size_t size);
        int32_t otp_verify_context(intptr_t, const char *token, const char *code, const char *context, char *, size_t);
        int32_t otp_cancel(intptr_t service, const char *token, char *reply, size_t size);
        int32_t otp_status(intptr_t service, const char *token, char *reply, size_t size);
        int32_t otp_webhook(intptr_t, const char *authorization, const char *body, size_t body_size, char *, size_t);
        int32_t otp_report(intptr_t service, const char *report, char *reply, size_t size);
        int32_t otp_run_due(intptr_t service, char *reply, size_t size);
        int32_t otp_metrics(intptr_t service, char *reply, size_t size);
        int32_t otp_copy(intptr_t service, const char *repository, const char *options, char *reply, size_t size);
        int32_t otp_subject(intptr_t service, const char *subject, char *reply, size_t size);
        int32_t otp_unlock(intptr_t service, const char *subject, char *reply, size_t size);
        int32_t otp_erase(intptr_t service, const char *recipient, char *reply, size_t size);
        int32_t otp_on_send(intptr_t service, otp_send_fn send, intptr_t user_data, void *drop);
        int32_t otp_on_log(intptr_t service, int32_t max_level, otp_log_fn log, intptr_t user_data, void *drop);
        int32_t otp_on_clock(intptr_t service, otp_clock_fn clock, intptr_t user_data, void *drop);
        const char *otp_result_name(int32_t result);
        const char *otp_result_message(int32_t result);
        int32_t otp_result_http_status(int32_t result);
        size_t otp_reply_text(const char *reply, const char *field, char *text, size_t text_size);
        C;

    private static ?FFI $library = null;

    public static function get(): FFI
    {
        if (self::$library === null) {
            $library = FFI::cdef(self::DECLARATIONS, getenv('LIBOTP_LIBRARY') ?: 'libotp.so.0');
            $isOurs = $library->otp_abi_version() === self::ABI_VERSION;
            self::$library = $isOurs ? $library : throw new \RuntimeException('libotp has another interface');
        }
        return self::$library;
    }
}

/**
 * Creates codes, has them delivered, and verifies each once.
 *
 * Every method gives back OK and refusals as a Reply, and throws an Error where the library could not answer. Methods
 * wait for the disk, and those that send for the carrier. Texts are UTF-8; null is an absent one. What is JSON may be
 * text or an array; in an array, an object without members is `new \stdClass`. A service that was open before
 * pcntl_fork() works in the child too. It is closed by close(), or when nothing refers to it any more.
 */
final class Service
{
    /** What a send function returns: sent; certainly not sent, so that the next step of the workflow is tried. */
    public const SENT = 1, NOT_SENT = 2;
    /** Log levels. */
    public const LOG_ERROR = 1, LOG_WARNING = 2, LOG_INFO = 3, LOG_DEBUG = 4;

    private const REPLY_SIZE = 4096;

    /** The reply to opening: its "warnings" name what is allowed and not advisable. */
    public readonly Reply $opened;

    private int $handle = 0;
    private readonly int $id;
    private ?Throwable $thrown = null;

    /** The callbacks as C has them. PHP frees none before its end: so all services share these. */
    private static ?FFI\CData $callbacks = null;
    /** @var array<int, WeakReference<self>> the services by user_data; weak, so that they can be collected */
    private static array $services = [];
    private static int $lastId = 0;

    /**
     * Opens a service.
     *
     * A callback may call the service. It must not exit(), which would leave the library in the middle of a call. With
     * the option "background" there can be none, since its thread is not PHP's: call runDue() instead.
     *
     * @param string|array<string, mixed>|null $config null is all defaults
     * @param ?Closure(array<string, mixed>, string): mixed $send delivers, with sender "host": it gets a message, and
     *     the same as JSON text. Nothing, true or SENT returned means sent, NOT_SENT certainly not; anything else, and
     *     an exception, that it may have been: the code stays good. A message holds the code: keep it out of logs.
     * @param ?Closure(): int $clock tells milliseconds since 1970. Where it throws, the system's time is taken.
     * @param ?Closure(int, string): void $log takes events: the level, and JSON text
     * @param int $logLevel the highest level that the log wants
     * @throws Error
     */
    public function __construct(
        #[\SensitiveParameter] string|array|null $config = null,
        private readonly ?Closure $send = null,
        private readonly ?Closure $clock = null,
        private readonly ?Closure $log = null,
        int $logLevel = self::LOG_INFO,
    ) {
        $this->id = ++self::$lastId;
        $library = Library::get();
        $config = self::text(self::json($config, 'config'), 'config');
        if (($send ?? $clock ?? $log) !== null && self::isBackground($config)) {
            throw self::refusal('no callback can be used with "background": call runDue() instead');
        }
        $reply = $library->new('char[' . self::REPLY_SIZE . ']');
        $handle = $library->new('intptr_t');
        $result = $library->otp_open($config, FFI::addr($handle), $reply, self::REPLY_SIZE);
        $this->opened = new Reply($result, FFI::string($reply));
        if ($result !== Result::OK) {
            throw new Error($this->opened);
        }
        $this->handle = $handle->cdata;
        self::$services[$this->id] = WeakReference::create($this);
        try {
            $this->setCallbacks($library, $logLevel);
        } catch (Throwable $exception) {
            $this->close();
            throw $exception;
        }
    }

    /** Draws a code for a token, which is your name for what the code is good for, and has it delivered. */
    public function create(?string $token, #[\SensitiveParameter] string|array|null $request = null): Reply
    {
        return $this->call('otp_create', token: $token, request: self::json($request, 'request'));
    }

    /** Sends the same code again, from the first step of the workflow, for the time it has left. */
    public function resend(?string $token): Reply { return $this->call('otp_resend', token: $token); }

    /** Sends the same code again from the first step with this channel on, such as "sms". */
    public function resendChannel(?string $token, ?string $channel): Reply
    {
        return $this->call('otp_resend_channel', token: $token, channel: $channel);
    }

    /** With sender "none": says that the last message certainly did not leave. The reply hands the next one over. */
    public function notSent(?string $token): Reply { return $this->call('otp_not_sent', token: $token); }

    /**
     * Checks a code, and uses it up if it is right: of all calls in all processes exactly one gets OK.
     *
     * Let somebody in on `verify(...)->isOk()` and on nothing else.
     *
     * @param ?string $context what the code approves, exactly as the request of create() had it
     */
    public function verify(?string $token, #[\SensitiveParameter] ?string $code, ?string $context = null): Reply
    {
        return $this->call('otp_verify_context', token: $token, code: $code, context: $context);
    }

    /** Cancels the token's code, for good. */
    public function cancel(?string $token): Reply { return $this->call('otp_cancel', token: $token); }

    /** Says how the token's code stands. It sends nothing and counts nothing. */
    public function status(?string $token): Reply { return $this->call('otp_status', token: $token); }

    /**
     * Takes a webhook of the carrier. Answer with Result::httpStatus() of the result, also that of an Error.
     *
     * @param ?string $authorization the value of the header; null: the request has none
     * @param ?string $body the bytes of the body as they came
     */
    public function webhook(?string $authorization, ?string $body): Reply
    {
        return $this->call('otp_webhook', authorization: $authorization, body: $body, size: strlen($body ?? ''));
    }

    /**
     * Stores a receipt that you have authenticated, such as ['clientRef' => $ref, 'status' => 'delivered'].
     *
     * @param string|array<string, mixed>|null $report
     */
    public function report(string|array|null $report): Reply
    {
        return $this->call('otp_report', report: self::json($report, 'report'));
    }

    /** Sends steps whose time has come, and removes old codes. Call it about once a second. */
    public function runDue(): Reply { return $this->call('otp_run_due'); }

    /** Says what the service has counted, such as "calls.create.OTP_OK". */
    public function metrics(): Reply { return $this->call('otp_metrics'); }

    /** For operators: copies the whole repository into another one, as a backup, or with "move" to move there. */
    public function copy(?string $repository, string|array|null $options = null): Reply
    {
        return $this->call('otp_copy', repository: $repository, options: self::json($options, 'options'));
    }

    /** For operators: says how a subject stands. */
    public function subject(?string $subject): Reply { return $this->call('otp_subject', subject: $subject); }

    /** For operators: forgets the failures of a subject, and lifts its lock. */
    public function unlock(?string $subject): Reply { return $this->call('otp_unlock', subject: $subject); }

    /** For operators: erases every code that was sent to a recipient. */
    public function erase(?string $recipient): Reply { return $this->call('otp_erase', recipient: $recipient); }

    /** Closes the service; a second time does nothing. Any other call is an Error then. A callback may close it. */
    public function close(): void
    {
        [$handle, $this->handle] = [$this->handle, 0];
        if ($handle !== 0) {
            Library::get()->otp_close($handle);
        }
    }

    public function __destruct()
    {
        $this->close();
        unset(self::$services[$this->id]);
    }

    // A copy would close the service of the original.
    private function __clone() {}

    public function __serialize(): array { throw new \LogicException('a service cannot be serialized'); }

    private function call(string $function, #[\SensitiveParameter] string|int|null ...$arguments): Reply
    {
        foreach ($arguments as $name => $argument) {
            is_string($argument) && $name !== 'body' && self::text($argument, $name);
        }
        if ($this->handle === 0) {
            throw self::refusal('the service is closed');
        }
        // A callback may call again: so no buffer is shared, and what was thrown belongs to the innermost call.
        [$outer, $this->thrown] = [$this->thrown, null];
        $buffer = Library::get()->new('char[' . self::REPLY_SIZE . ']');
        $arguments = [$this->handle, ...array_values($arguments), $buffer, self::REPLY_SIZE];
        try {
            $result = Library::get()->$function(...$arguments);
            $reply = new Reply($result, FFI::string($buffer));
            return $result < 0 ? throw new Error($reply, null, $this->thrown) : $reply;
        } finally {
            $this->thrown = $outer;
        }
    }

    /** C would end a text at a NUL without a word: "alice\0x" must not become "alice". */
    private static function text(#[\SensitiveParameter] ?string $text, string $name): ?string
    {
        return str_contains($text ?? '', "\0") ? throw self::refusal("$name must not have a NUL character") : $text;
    }

    private static function json(#[\SensitiveParameter] string|array|null $value, string $name): ?string
    {
        try {
            // An object also where the array is empty. What need not be escaped is not: sizes are limited.
            $flags = JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES;
            return is_array($value) ? json_encode((object) $value, $flags) : $value;
        } catch (\JsonException $exception) {
            throw self::refusal("$name cannot be written as JSON: " . $exception->getMessage());
        }
    }

    private static function refusal(string $message): Error
    {
        return new Error(new Reply(Result::E_ARGUMENT, ''), $message);
    }

    private static function isBackground(?string $config): bool
    {
        $text = Library::get()->new('char[8]');
        Library::get()->otp_reply_text($config, 'background', $text, 8);
        return FFI::string($text) === 'true';
    }

    private function setCallbacks(FFI $library, int $logLevel): void
    {
        if (self::$callbacks === null) {
            self::$callbacks = $library->new('struct otp_callbacks');
            self::$callbacks->send = self::onSend(...);
            self::$callbacks->log = self::onLog(...);
            self::$callbacks->clock = self::onClock(...);
        }
        [$c, $service, $id] = [self::$callbacks, $this->handle, $this->id];
        $results = [
            'clock' => $this->clock ? $library->otp_on_clock($service, $c->clock, $id, null) : Result::OK,
            'log' => $this->log ? $library->otp_on_log($service, $logLevel, $c->log, $id, null) : Result::OK,
            'send' => $this->send ? $library->otp_on_send($service, $c->send, $id, null) : Result::OK,
        ];
        foreach (array_filter($results) as $name => $result) {
            throw new Error(new Reply($result, ''), "$name cannot be set: " . Result::message($result));
        }
    }

    // What C calls. Nothing may be thrown out of it: PHP would end the process.
    private static function onSend(int $id, string $message): int
    {
        $service = (self::$services[$id] ?? null)?->get();
        try {
            $answer = ($service->send)(json_decode($message, true), $message) ?? true;
            return ($answer === true || $answer === self::SENT) ? self::SENT : ($answer === self::NOT_SENT ? 2 : 0);
        } catch (Throwable $thrown) {
            $service === null || $service->thrown = $thrown;
            return 0;
        }
    }

    private static function onLog(int $id, int $level, string $event): void
    {
        try {
            ((self::$services[$id] ?? null)?->get()->log)($level, $event);
        } catch (Throwable $thrown) {
            error_log("libotp: the log function threw $thrown");
        }
    }

    private static function onClock(int $id): int
    {
        try {
            return (int) ((self::$services[$id] ?? null)?->get()->clock)();
        } catch (Throwable $thrown) {
            error_log("libotp: the clock function threw $thrown");
            return (int) (microtime(true) * 1000);
        }
    }
}
