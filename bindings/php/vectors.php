<?php

// Answers the calls of the tests, line by line: every language runs the same vectors through its wrapper.
// A request:  CLOCK_MS  ANSWERS  CALL  ARGUMENTS...    An answer:  RESULT  REPLY  MESSAGE...    Parted by tabs.

declare(strict_types=1);

require __DIR__ . '/Otp.php';

use Otp\Error;
use Otp\Reply;
use Otp\Service;

final class Agent
{
    private const ESCAPES = ['\\' => '\\\\', "\t" => '\\t', "\n" => '\\n', "\r" => '\\r'];

    private ?Service $service = null;
    private int $clock = 0;
    /** @var list<int> */
    private array $answers = [];
    /** @var list<string> */
    private array $messages = [];

    public function answer(string $line): string
    {
        [$clock, $answers, $call] = $parts = explode("\t", $line);
        $this->clock = (int) $clock;
        $this->answers = array_map(intval(...), preg_split('/ +/', $answers, -1, PREG_SPLIT_NO_EMPTY));
        $this->messages = [];
        try {
            $reply = $this->call($call, array_map(self::unescape(...), array_slice($parts, 3)));
            $parts = [(string) ($reply?->result ?? 0), $reply?->json ?? ''];
        } catch (Error $error) {
            $parts = [(string) $error->result, $error->reply->json];
        }
        $escape = fn (string $part): string => strtr($part, self::ESCAPES);
        return implode("\t", array_map($escape, [...$parts, ...$this->messages]));
    }

    private function call(string $call, array $arguments): ?Reply
    {
        if ($call === 'open') {
            return $this->open(...$arguments);
        }
        if ($this->service === null) {
            throw new LogicException("no service is open for $call");
        }
        $method = ['run_due' => 'runDue'][$call] ?? $call;
        return $this->service->$method(...$arguments);
    }

    private function open(?string $config, ?string $sender): Reply
    {
        $this->service?->close();
        $this->service = null;
        $send = function (array $message, string $json): int {
            $this->messages[] = $json;
            return array_shift($this->answers) ?? Service::SENT;
        };
        $this->service = new Service($config, $sender === null ? null : $send, fn (): int => $this->clock);
        return $this->service->opened;
    }

    private static function unescape(string $part): ?string
    {
        return $part === '\\0' ? null : strtr($part, array_flip(self::ESCAPES));
    }

    public function close(): void
    {
        $this->service?->close();
    }
}

try {
    $agent = new Agent();
    while (($line = fgets(STDIN)) !== false) {
        fwrite(STDOUT, $agent->answer(rtrim($line, "\n")) . "\n");
        fflush(STDOUT);
    }
    $agent->close();
} catch (Throwable $unforeseen) {
    fwrite(STDERR, "$unforeseen\n");
    exit(1);
}
