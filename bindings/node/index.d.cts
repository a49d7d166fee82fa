/// <reference lib="esnext.disposable" />

/** What a call came to: the names of `otp.h` without `OTP_`. Only `'OK'` lets anyone in. */
export type Result =
  | 'OK'
  | 'NOT_VALID'
  | 'CHECKED'
  | 'EXPIRED'
  | 'LOCKED'
  | 'RATE_LIMITED'
  | 'CANCELLED'
  | 'REFUSED'
  | 'UNKNOWN';

/** What a call that could not be answered came to. */
export type Failure =
  | 'E_ARGUMENT'
  | 'E_CONFIG'
  | 'E_STORE'
  | 'E_BUSY'
  | 'E_SEND'
  | 'E_IN_DOUBT'
  | 'E_SIGNATURE'
  | 'E_UNSIGNED'
  | 'E_RANDOM'
  | 'E_UNSUPPORTED'
  | 'E_INTERNAL';

// The test of the options writes these interfaces.

/** The configuration: every member is optional. `otp.h` tells more at `otp_open`. */
export interface Config {
  /**
   * Where codes are kept: "sqlite:PATH", "json:FOLDER" (readable files, for small hosts), "memory:", or, in a build
   * with the feature `redis` or `postgres`, a server that many hosts share: "redis://USER:PASSWORD@HOST:PORT",
   * "rediss://" with TLS, "redis+sentinel://HOST,HOST/MASTER", "redis+cluster://HOST,HOST",
   * "postgres://USER:PASSWORD@HOST/DATABASE". A file or folder is made when there is none, readable for its owner
   * alone, and any number of processes may open it. "memory:" belongs to the process. Default "sqlite:otp.db".
   */
  repository?: string;
  /**
   * The key from which all codes follow, in place of `keyFile`. 32 bytes or more, in Base64; default none.
   */
  key?: string;
  /**
   * The file that holds the key. It is made, with mode 0600, only together with a new repository. A file that you
   * name may be what an orchestrator mounts: a symbolic link, root's, readable by its group; by everybody only if
   * it is root's on a read-only mount. Default the repository's path and ".key"; none for "memory:".
   */
  keyFile?: string;
  /**
   * Keys with which older codes still verify. Up to 16; default none.
   */
  previousKeys?: string[];
  /**
   * Tenants that share a repository never see each other's codes, locks or limits. 1 to 64 bytes; default
   * "default".
   */
  namespace?: string;
  /**
   * Digits of a code. 4 to 10; default 6.
   */
  otpLength?: number;
  /**
   * How many minutes a code is good. Fractions are allowed. 1/60 to 1440; default 5.
   */
  validityTime?: number;
  /**
   * How many wrong guesses a code allows. 1 to 10; default 5.
   */
  maxAttempts?: number;
  policy?: Policy;
  /**
   * The text to send, or texts by locale: {"en": "...", "it": "..."}, of which the request's, its language's, the
   * English or the first one is taken. {code}, {minutes} (those left, rounded up), {brand} and the names in a
   * request's `params` are filled in; a name without a value is OTP_E_ARGUMENT. {code} must be there. Default
   * "Insert the following code: {code}".
   */
  message?: string | Record<string, string>;
  /**
   * What {brand} stands for. 1 to 64 bytes; default none.
   */
  brand?: string;
  /**
   * Adds a last line to an SMS by which browsers fill the code in on this site (WebOTP). Default none.
   */
  webOtpDomain?: string;
  /**
   * Adds a last line to an SMS by which this Android app finds the code (SMS Retriever). Not together with
   * `webOtpDomain`. 11 characters of Base64; default none.
   */
  androidHash?: string;
  /**
   * Whether a request may bring its own `code`. Default false.
   */
  ownCodes?: boolean;
  /**
   * The members that a request may have; any other is OTP_E_ARGUMENT. For hosts that pass on what comes from
   * outside. Default all.
   */
  accept?: string[];
  /**
   * The calling code, such as "39", with which a number without + or 00 is read. Default none.
   */
  defaultCountry?: string;
  sender?: Sender;
  /**
   * Several senders by name, instead of `sender`: {"NAME": {"type": ...}}. A name is a lower-case letter, then
   * letters, digits or _, 16 in all. "dispatch" and "none" stand alone. 1 to 8; default none.
   */
  senders?: Record<string, Sender>;
  workflow?: Step[];
  /**
   * Whether a thread of the service does what otp_run_due() does: see "Threads". Default false.
   */
  background?: boolean;
  webhook?: WebhookConfig;
  /**
   * What a change survives: "full" a loss of power, "process" the end of the process. Redis has "engine" alone: a
   * failover may forget the last ones. Default "full"; "engine" with Redis.
   */
  durability?: "full" | "process" | "engine";
  /**
   * The only authorities that are trusted, in PEM, for "rediss://" and "postgres://". Default the platform's
   * authorities.
   */
  caFile?: string;
  /**
   * How many connections to the server a service keeps. 1 to 64; default 8.
   */
  poolSize?: number;
  /**
   * How many of the replicas must have a change before it is answered. 0 to 16; default 0.
   */
  waitReplicas?: number;
  /** The tutorial's `nexmo.json` has these here: the sender is `dispatch`. */
  apiKey?: string;
  apiSecret?: string;
  applicationId?: string;
}

/** Limits. */
export interface Policy {
  /**
   * Tightens the defaults, and refuses options that are weaker: "nist" (NIST SP 800-63B-4) wants 6 digits or more
   * and 10 minutes at most; "psd2" (Regulation (EU) 2018/389) 5 failures at most, for `maxAttempts` and
   * `lockAfter`, and a `context` with every code; "pci" (PCI DSS 4.0.1) `lockAfter` 10 at most and `lockMinutes` 30
   * or more. Default "standard".
   */
  profile?: "standard" | "nist" | "psd2" | "pci";
  /**
   * The time between two messages to one recipient, also after one that failed. 0 to 3600; default 30.
   */
  cooldownSeconds?: number;
  /**
   * How many messages a recipient gets in how many minutes: [{"count": 5, "minutes": 10}]; with "channel": "sms"
   * only those of that channel count. Up to 10 of 1 to 1000 in 1 to 1440 minutes; default 5 in 10, 15 in 60, 50 in
   * 1440 minutes.
   */
  sendLimits?: { count: number; minutes: number; channel?: string }[];
  subjectFailures?: SubjectFailures;
  /**
   * Calling codes, or longer beginnings of numbers, that messages go to, such as ["39"]. Any other number is
   * OTP_REFUSED. 1 to 1000 of 1 to 7 digits; default every country.
   */
  countries?: string[];
  /**
   * How long a code is kept after its end, to answer "used" or "expired". 0 to 43200; default 1440.
   */
  retentionMinutes?: number;
}

/** When wrong codes lock a subject. */
export interface SubjectFailures {
  /**
   * After every so many failures in a row a subject is locked for a while. 1 to 100; default 10.
   */
  lockAfter?: number;
  /**
   * How long that lock lasts. 1 to 1440; default 30.
   */
  lockMinutes?: number;
  /**
   * After so many failures in a row only otp_unlock() opens the subject again. 1 to 100; default 100.
   */
  disableAfter?: number;
}

/** Who delivers. A function given as the option `sender` takes its place. */
export interface Sender {
  /**
   * Who delivers. "console" prints to standard error, for development. "host" calls the function of otp_on_send().
   * "none" puts the message into the reply, for you to send. "messages" and "dispatch" are the carrier Vonage,
   * "http" is any other, by a request that you describe. "smtp" is a server for mail, in a build with the feature
   * `smtp`. Default "console" without `sender`; needed in it.
   */
  type?: "console" | "host" | "none" | "messages" | "dispatch" | "http" | "smtp";
  /**
   * The carrier's application, for requests with a signed token. 1 to 256 visible ASCII characters; default none.
   */
  applicationId?: string;
  /**
   * The application's RSA key: PEM text, also in Base64 as a whole, or the path of a file that holds it. Where a
   * text may be both, write the path with /, ./ or ../ at its beginning. Default none.
   */
  privateKey?: string;
  /**
   * The carrier's account, for requests with a password. 1 to 256 visible ASCII characters; default none.
   */
  apiKey?: string;
  /**
   * The password of that account. 1 to 256 visible ASCII characters; default none.
   */
  apiSecret?: string;
  /**
   * How requests are authorised. Default "jwt" with a `privateKey`, else "basic".
   */
  auth?: "jwt" | "basic";
  /**
   * Where requests go. http:// is for this machine alone. Default `https://api.nexmo.com`.
   */
  baseUrl?: string;
  /**
   * The time for all requests of one call; with `senders` for a message of this one, and a call that fails over may
   * take the sum of all its steps'. 1 to 120; default 10.
   */
  timeoutSeconds?: number;
  /**
   * With "http": where requests go. Scheme, host and port are literal; path and query may have placeholders.
   * http:// is for loopback alone, decided after the look-up. No redirect is followed, no proxy used. Default none;
   * needed with "http".
   */
  url?: string;
  /**
   * With "http". "GET" has no body: it needs `query`. Default "POST".
   */
  method?: "POST" | "PUT" | "GET";
  /**
   * With "http": further headers. Their values are literal: {{ and }} are braces, and a placeholder is refused. Up
   * to 16 of printable ASCII; default none.
   */
  headers?: Record<string, string>;
  /**
   * With "http": name and password of the account. Not together with `bearer`. Default none.
   */
  basic?: { user: string; password: string };
  /**
   * With "http": the token of the account. 1 to 4096 visible ASCII characters; default none.
   */
  bearer?: string;
  /**
   * With "http": the body as a tree of JSON. Its texts may hold {to}, {from}, {text}, {code}, {subject} (of a
   * mail), {digits} (the code's letters and digits one by one, for a voice: 1, 2, 3), {channel}, {locale} ("en"
   * where none was asked for), {ref} (by which otp_report() finds the message), {minutes} and {params.NAME}, each
   * encoded for its place; {{ and }} are braces. {"$json": tree} is a tree as JSON in a text; {"$locale": {"en":
   * tree, "it": tree}} is the tree for the request's locale, chosen as `message` is. In a text that is markup, such
   * as "<Say>{digits}</Say>", only {digits}, {ref} and {minutes} may stand. {text}, {code} or {digits} must be
   * there. Default none; one of `json`, `form` and `query` is needed with "http".
   */
  json?: unknown;
  /**
   * With "http": the body as a form: names with texts as in `json`, numbers, true, false, {"$json": tree},
   * {"$locale": ...} of these, or lists of these. Default none.
   */
  form?: Record<string, unknown>;
  /**
   * With "http": the same in the URL, without a body. A code in it is a warning: servers and proxies write URLs
   * into logs. Default none.
   */
  query?: Record<string, unknown>;
  /**
   * With "http": answers that say that the message was taken: statuses, of 200 to 299, and `{"path": [values]}`,
   * such as `{"messages.0.status": ["0"]}`. Paths decide before statuses; an answer that says two things, or none,
   * leaves the message in doubt. Default 200 to 299.
   */
  accepted?: (number | Record<string, unknown[]>)[];
  /**
   * With "http": the same for a message that was certainly not taken, and that another try may bring: up to 3 tries
   * within the time. Default none.
   */
  notTaken?: (number | Record<string, unknown[]>)[];
  /**
   * With "http": the same for one that is certainly not going to be taken: the next step begins. If none is left,
   * 401 and 402 are OTP_E_SEND, since they are about the account, and all others OTP_REFUSED. Default none.
   */
  refused?: (number | Record<string, unknown[]>)[];
  /**
   * With "http": the path in a good answer to the message's identifier, by which otp_report() finds it too. Default
   * none.
   */
  messageId?: string;
  /**
   * With "smtp": the server's name or address. Default none; needed with "smtp".
   */
  host?: string;
  /**
   * With "smtp": its port. 1 to 65535; default 587, with "implicit" 465; needed with `tls` "none".
   */
  port?: number;
  /**
   * With "smtp": "implicit" is TLS from the first byte. "none" is for loopback alone, decided after the look-up.
   * Default "starttls".
   */
  tls?: "starttls" | "implicit" | "none";
  /**
   * With "smtp": the account, told under TLS alone. 1 to 256 bytes; default none.
   */
  user?: string;
  /**
   * With "smtp": its password. 1 to 256 bytes; default none; needed with `user`.
   */
  password?: string;
}

/** A step of the workflow. */
export interface Step {
  /**
   * The channel of a step. With Vonage "messenger", "sms", "whatsapp", "viber_service" or, with "messages", "rcs".
   * "voice" is a call, and "email" a mail, with any sender but Vonage; "smtp" has "email" alone. Profile "nist" has
   * no "email" (SP 800-63B-4, 3.1.3.1). 1 to 5 steps; 1 to 32 lower-case letters, digits or _; default "messenger",
   * then "sms"; needed in a step.
   */
  channel: string;
  /**
   * The name of the step's sender, where there are several. Default the only one.
   */
  sender?: string;
  /**
   * The sender's address. With Vonage a step without one is left out, with a warning. With "smtp" it is
   * name@example.com or Name <name@example.com>. 1 to 64 bytes, with "smtp" 320; default "NEXMO" for SMS with
   * Vonage, else none; needed with "smtp".
   */
  from?: string;
  /**
   * The subject of a mail, filled in as `message` is. {code} may stand in it. Messages that you deliver yourself
   * have one only where it is given here. Up to 256 bytes; default "Your code", with a `brand` "{brand}: your
   * code".
   */
  subject?: string;
  /**
   * How many seconds a step waits for `conditionStatus` before the next one begins. 15 to 86400; default 120.
   */
  expiryTime?: number;
  /**
   * What makes the next step needless. "verified" needs no report, and works with every sender but "dispatch".
   * Default with Vonage "read", "delivered" for SMS; else none.
   */
  conditionStatus?: "read" | "delivered" | "verified";
  /**
   * A text of the step's own; for WhatsApp through a carrier also the name of an approved template. Default
   * `message`.
   */
  template?: string;
}

/** How webhooks of the carrier are checked. */
export interface WebhookConfig {
  /**
   * The account's secret, by which otp_webhook() checks signatures. 4 to 256 bytes; default none; needed in
   * `webhook`.
   */
  signatureSecret?: string;
  /**
   * The only account whose webhooks are taken. Default any.
   */
  apiKey?: string;
  /**
   * A webhook that names another application is refused; one that names none is taken. Default any.
   */
  applicationId?: string;
  /**
   * How far from now, either way, a webhook may have been signed. 1 to 86400; default 300.
   */
  maxAgeSeconds?: number;
}

// End.

/** What a create asks for. A member that is not known is `E_ARGUMENT`. */
export interface Request {
  messengerId?: string;
  /** E.164 as people write it. */
  phoneNumber?: string;
  /** One bare address. */
  email?: string;
  /** Only steps of these channels are used. */
  channels?: string[];
  /** The account on which failures count; default: the number, the Messenger id, the e-mail address, the token. */
  subject?: string;
  /** What is approved, such as amount and payee: `verify` needs the same, byte for byte. */
  context?: string;
  locale?: string;
  params?: Record<string, string>;
  /** The same key with the same request is answered again and sends nothing. Not with a sender that is a function. */
  idempotencyKey?: string;
  /** Who asks, such as an IP address: for the log. */
  client?: string;
  /** With `ownCodes` only. */
  code?: string;
  /** Other addresses, by the name of their channel. */
  [channel: string]: unknown;
}

/** How a delivery stands. */
export interface Delivery {
  /** What the newest step's sender is, such as `'messages'`. */
  via: string;
  /** The name of that sender, where senders have names. */
  sender?: string;
  channel?: string;
  state?: DeliveryState;
  dispatchUuid?: string;
  messageUuid?: string;
}

export type DeliveryState =
  | 'sending'
  | 'accepted'
  | 'submitted'
  | 'delivered'
  | 'read'
  | 'rejected'
  | 'undeliverable'
  | 'failed'
  | 'in_doubt'
  | 'skipped'
  | 'stopped';

/** What to deliver. It holds the code; `console.log` shows neither that nor the recipient, `JSON.stringify` does. */
export interface Message {
  token: string;
  /** Such as `'sms'`. */
  channel: string;
  to: string;
  /** `''` where the step names none. */
  from: string;
  /** Of a mail whose step has one. The code may stand in it. */
  subject?: string;
  text: string;
  code: string;
  /** Rounded down. */
  expiresInSeconds: number;
  locale?: string;
}

/** A code that was created or sent again. The message is there with sender type `none` only. */
export interface Created extends Partial<Message> {
  expiresInSeconds: number;
  attemptsLeft: number;
  delivery: Delivery;
  /** Members of which a text was cut. */
  shortened?: string[];
}

/** What `check` decided. */
export interface Checked {
  result: Result;
  /** Absent for an unknown token. */
  attemptsLeft?: number;
  /** At least 1; absent where waiting does not help. */
  retryAfterSeconds?: number;
  locked?: 'code' | 'subject' | 'disabled';
}

/** How a token's code stands. Dates are RFC 3339 in UTC with milliseconds. */
export interface Status {
  token: string;
  state: 'checked' | 'cancelled' | 'locked' | 'expired' | 'pending';
  creationDate: string;
  expiryDate: string;
  isChecked: boolean;
  checkDate?: string;
  attemptsLeft: number;
  delivery: Delivery & {
    steps: {
      channel: string;
      sender?: string;
      messageUuid?: string;
      status: DeliveryState;
      at?: string;
      error?: string;
    }[];
  };
  shortened?: string[];
}

/** What a webhook told. */
export interface Webhook {
  kind: 'status' | 'final' | 'inbound' | 'other';
  known?: boolean;
  duplicate?: boolean;
  state?: string;
  /** Of a message to us. */
  from?: string;
  channel?: string;
  text?: string;
  shortened?: string[];
}

/** A receipt that you have authenticated: of the message with this `clientRef`, or with this sender's `messageId`. */
export type Report = {
  status: 'submitted' | 'delivered' | 'read' | 'rejected' | 'undeliverable' | 'failed';
  /** Why: at most 2,000 bytes, of which 200 are kept. */
  error?: string;
} & (
  | { clientRef: string; sender?: undefined; messageId?: undefined }
  | { clientRef?: undefined; /** Its name in `senders`, or else `sender.type`. */ sender: string; messageId: string }
);

/** What became of a report. */
export interface Reported {
  /** Whether it is about a delivery of this repository. */
  known: boolean;
  /** How far the message has come. */
  state?: DeliveryState;
}

/** What `runDue` did. */
export interface RunDue {
  /** Steps. */
  ran: number;
  /** Records. */
  purged: number;
  /** Absent when nothing is due. */
  nextDueInMilliseconds?: number;
}

/** What `copy` is to do. `durability` and what follows is as in `Config`, for the other repository. */
export interface CopyOptions {
  /** The repository goes on there, and every later call on this one rejects. Default false: a backup. */
  move?: boolean;
  durability?: Config['durability'];
  caFile?: string;
  poolSize?: number;
  waitReplicas?: number;
}

/** What `copy` took along. */
export interface Copied {
  rows: number;
  /** Rows that are damaged, and were left. */
  skipped: number;
}

/** How a subject stands: its failures in a row. */
export interface Subject {
  failures: number;
  locked?: 'subject' | 'disabled';
  retryAfterSeconds?: number;
}

/** What a service has counted. What is 0 is left out, and so is a group without any; `otp.h` says more, at `otp_metrics`. */
export interface Metrics {
  /** By call and result: `calls.create.OTP_OK`. */
  calls?: Record<string, Record<string, number>>;
  /** Messages by sender. With a sender of your own there are none: you know. */
  send?: Record<string, { accepted?: number; refused?: number; failed?: number; in_doubt?: number }>;
  reports?: Partial<
    Record<
      'submitted' | 'delivered' | 'read' | 'rejected' | 'undeliverable' | 'failed' | 'duplicate' | 'unknown',
      number
    >
  >;
  store?: { operations?: number; microseconds?: number; busy?: number; failed?: number };
  /** Codes that were good when the service last went over all rows (`runDue`, `background`). Absent before. */
  live?: number;
  /** Timed steps that the last full round found due. */
  due?: number;
}

/** An event of the log. It holds no code, token, recipient or key. */
export interface LogEvent {
  time: string;
  /** 1 error, 2 warning, 3 info, 4 debug. */
  level: 1 | 2 | 3 | 4;
  event: string;
  result?: string;
  channel?: string;
  state?: DeliveryState;
  /** A pseudonym of the token. */
  record?: string;
  /** A pseudonym of the request's `client`. */
  client?: string;
  /** Of a message that was not sent. */
  cause?: string;
  httpStatus?: number;
  vendorCode?: string;
  /** In bytes. */
  size?: number;
}

export interface Options {
  /**
   * Delivers messages; the configuration's sender is `host`, or left out. Resolving to undefined or true: sent.
   * Resolving to false, or throwing `NotSent`: certainly not sent. Anything else: in doubt. Timed failover and
   * `idempotencyKey` are not offered with it.
   */
  sender?: (message: Message) => Promise<boolean | void> | boolean | void;
  /** Takes events. What it throws is told once as a warning of the process. */
  logger?: (event: LogEvent) => unknown;
  /** The most detailed level for `logger`; default 3. */
  logLevel?: 1 | 2 | 3 | 4;
  /** Milliseconds since 1970, in place of the system's time, by which one that throws is replaced. */
  clock?: () => number;
  /**
   * How the library is called; default `koffi`. `ffi-napi` needs the packages `ffi-napi` and `ref-napi`; over it a
   * service with a `logger` or `clock` blocks the event loop during each call, and may not have `background`.
   */
  backend?: 'koffi' | 'ffi-napi';
}

/**
 * A service. Its methods run on threads of Node's pool and leave the event loop free; thousands may be called at
 * once. Each rejects with `ArgumentError` for a parameter that is wrong, also after `close`; with `ConfigError` when
 * the key of a record is not at hand; with `StoreError` when the repository failed, and what was asked may have been
 * done; with `BusyError` when it was in use for 10 s, and nothing was done; with `InternalError` for a defect.
 */
export class Service {
  private constructor();

  /**
   * Opens a service. `config` is an object, or JSON in a string; left out, it is `{}`.
   *
   * Rejects with `ConfigError`, `StoreError`, `BusyError`, `RandomError`, `ArgumentError` for `options`, or
   * `UnsupportedError` for what this library does not provide and where it cannot be loaded.
   */
  static open(config?: Config | string | null, options?: Options): Promise<Service>;

  /** What the configuration should rather not be. */
  readonly warnings: readonly string[];

  /**
   * Draws a code for `token`, 1 to 256 bytes that nobody outside chooses together with an address, and has it
   * delivered. A new code replaces the live one.
   *
   * Rejects with `Refused` (`LOCKED`, `RATE_LIMITED`, `REFUSED`, `CANCELLED`); `SendError`: with `inDoubt` the message
   * may have gone out and the code is good, without it the code is cancelled; `RandomError`, `UnsupportedError`.
   */
  create(token: string, request?: Request | string | null): Promise<Created>;

  /**
   * Sends the same code again, from the first step of the workflow on, or from the first with `channel`: "send it by
   * SMS instead". Rejects as `create`, but a failure to send leaves the code good; and with `Refused`
   * (`UNKNOWN`, `CHECKED`, `CANCELLED`, `LOCKED`, `EXPIRED`).
   */
  resend(token: string, channel?: string | null): Promise<Created>;

  /**
   * Checks a code and uses it up: of all calls in all processes exactly one resolves to true. Any refusal is false.
   * `code` has 1 to 64 bytes; `context` is the one given to `create`.
   */
  verify(token: string, code: string, context?: string | null): Promise<boolean>;

  /** As `verify`, and tells why not. Do not use it as a condition: an object is always true. */
  check(token: string, code: string, context?: string | null): Promise<Checked>;

  /** Cancels the token's code, for good. Rejects with `Refused` (`UNKNOWN`, `CHECKED`, `EXPIRED`). */
  cancel(token: string): Promise<void>;

  /** Tells how the token's code stands. Rejects with `Refused` (`UNKNOWN`). */
  status(token: string): Promise<Status>;

  /**
   * Takes in a webhook: the header `Authorization`, if there is one, and the body's bytes as they came, at most 64 KiB.
   *
   * Rejects with `SignatureError`, `UnsignedError`, or `UnsupportedError` without `webhook` in the configuration.
   */
  webhook(authorization: string | null | undefined, body: Uint8Array | string): Promise<Webhook>;

  /**
   * Stores what you know about a message, a receipt that you have authenticated, and goes on as `webhook` does. Never
   * let an open URL call it. Rejects with `ArgumentError` for a report that makes no sense.
   */
  report(report: Report | string): Promise<Reported>;

  /** Does what is due: steps of deliveries, and the removal of old records. */
  runDue(): Promise<RunDue>;

  /** Tells what was counted since the service was opened, without a look at the repository. */
  metrics(): Promise<Metrics>;

  /** Tells how a subject stands; `subject` as for `unlock`. For operators: never show it to visitors. */
  subject(subject: string): Promise<Subject>;

  /**
   * Forgets the failures of a subject, a request's `subject`, number, Messenger id or e-mail address or a token, and
   * enables it again.
   * Resolves to whether there were any. Rejects with `ArgumentError` for a text that can be none of these.
   */
  unlock(subject: string): Promise<boolean>;

  /** Erases all records with this recipient; resolves to whether there were any. Limits and locks stay. */
  erase(recipient: string): Promise<boolean>;

  /**
   * Copies the whole repository, all namespaces, into another one, which must be empty or hold an unfinished copy of
   * this one. In a backup live codes arrive expired. The copy is opened with the same key. Rejects with `StoreError`
   * when it was interrupted: call it again.
   */
  copy(repository: string, options?: CopyOptions | null): Promise<Copied>;

  /**
   * Closes the service when the calls under way have ended; later ones reject. A sender must not wait for it. Call it
   * as often as you like.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The version of the library, such as `'0.1.0'`. Throws `UnsupportedError` if it cannot be loaded. */
export function version(): string;

/** A sentence about a result: for a refusal the one to show the user. */
export function resultMessage(result: Result | Failure): string;

/** The HTTP status with which a web service answers a result, such as 410 for `EXPIRED`; 200 for `OK` alone. */
export function resultHttpStatus(result: Result | Failure): number;

/** A call that could not be answered, or with `Refused` was refused. */
export class OtpError extends Error {
  constructor(message: string, details?: { result?: Result | Failure; cause?: unknown });
  /** `result`, where Node has it: such as `'E_STORE'`. */
  readonly code: Result | Failure;
  readonly result: Result | Failure;
  /** The message may have gone out: do not retry blindly. */
  readonly inDoubt: boolean;
  /** At least 1; absent where waiting does not help. */
  readonly retryAfterSeconds?: number;
  readonly locked?: 'code' | 'subject' | 'disabled';
  /** Of a failure to send: the HTTP status, code and title with which the provider answered. */
  readonly httpStatus?: number;
  readonly vendorCode?: string;
  readonly vendorTitle?: string;
}

/** A considered no: `result` tells which, `message` is a sentence for the user. */
export class Refused extends OtpError {}
/** A parameter or a member of the request is wrong, and named. Nothing was done. */
export class ArgumentError extends OtpError {}
/** The configuration or a key is wrong. */
export class ConfigError extends OtpError {}
/** The repository failed. What was asked may have been done. */
export class StoreError extends OtpError {}
/** The repository was in use for 10 s. Nothing was done. */
export class BusyError extends OtpError {}
/** The message was certainly not sent, or with `inDoubt` may have been. */
export class SendError extends OtpError {}
/** The signature of the webhook is wrong. */
export class SignatureError extends OtpError {}
/** The webhook carries no signature; the provider sends it again after a 5xx. */
export class UnsignedError extends OtpError {}
/** The operating system gave no random numbers. */
export class RandomError extends OtpError {}
/** The configuration, the library or the backend does not provide what was asked for. */
export class UnsupportedError extends OtpError {}
/** A defect of the library. The service stays usable. */
export class InternalError extends OtpError {}

/** Thrown by a sender: the message has certainly not gone out. */
export class NotSent extends Error {}
