'use strict';

const { clockCallback, logCallback } = require('./callbacks.cjs');
const { Delivery, withoutSender } = require('./delivery.cjs');
const { ArgumentError, UnsupportedError, fromReply } = require('./errors.cjs');
const { native: load } = require('./native.cjs');
const { OK, resultName } = require('./results.cjs');
const { bytes, discreet, json, known, optionalFunction, optionalText, text } = require('./values.cjs');

const OPTIONS = ['sender', 'logger', 'logLevel', 'clock', 'backend'];

/** Considered answers, but no upkeep: each event costs a turn of the event loop. */
const LOG_LEVEL = 3;

/** Refuses a configuration with a thread of its own, which would call the logger and the clock. */
function refuseDriver(config) {
  if (!JSON.parse(config ?? 'null')?.background) return;
  throw new UnsupportedError('background: not over ffi-napi with a logger or clock; use koffi, or call runDue');
}

/** Only `open` makes services. */
const OPENED = Symbol('opened');

class Service {
  #native;
  #handle;
  #callbacks = [];
  #delivery;
  #running = 0;
  #idle = [];
  #closing;

  constructor(opened, native, handle, warnings) {
    if (opened !== OPENED) throw new TypeError('Service: use `await Service.open(config)`');
    this.#native = native;
    this.#handle = handle;
    Object.defineProperty(this, 'warnings', { value: Object.freeze(warnings), enumerable: true });
  }

  static async open(config, options = {}) {
    known('options', options, OPTIONS);
    const { backend = 'koffi', logLevel = LOG_LEVEL } = options;
    const sender = optionalFunction('sender', options.sender);
    const logger = optionalFunction('logger', options.logger);
    const clock = optionalFunction('clock', options.clock);
    if (![1, 2, 3, 4].includes(logLevel)) throw new ArgumentError('logLevel: must be 1, 2, 3 or 4');
    const given = json('config', config);
    const native = load(backend);
    const { number, reply, service } = await native.open(sender ? withoutSender(given) : given);
    if (number !== OK) throw fromReply(number, reply);
    const opened = new Service(OPENED, native, service, reply.warnings ?? []);
    try {
      if ((logger || clock) && !native.callsBackFromThreads) refuseDriver(given);
      opened.#prepare({ sender, logger, logLevel, clock, config: given });
    } catch (error) {
      await opened.close();
      throw error;
    }
    return opened;
  }

  #prepare({ sender, logger, logLevel, clock, config }) {
    if (logger) this.#callbacks.push(this.#native.onLog(this.#handle, logLevel, logCallback(logger)));
    if (clock) this.#callbacks.push(this.#native.onClock(this.#handle, clockCallback(clock)));
    if (!sender) return;
    const calls = {
      create: (token, request) => this.#accepted('otp_create', token, request),
      resend: (token, channel) => this.#resent(token, channel),
      notSent: (token) => this.#accepted('otp_not_sent', token),
      status: (token) => this.#accepted('otp_status', token),
      cancel: (token) => this.#accepted('otp_cancel', token),
    };
    this.#delivery = new Delivery(sender, calls, config);
  }

  create(token, request) {
    return this.#run(async () => {
      const parameters = [text('token', token), json('request', request)];
      if (this.#delivery) return this.#delivery.create(...parameters);
      return discreet(await this.#accepted('otp_create', ...parameters));
    });
  }

  resend(token, channel) {
    return this.#run(async () => {
      const parameters = [text('token', token), optionalText('channel', channel)];
      if (this.#delivery) return this.#delivery.resend(...parameters);
      return discreet(await this.#resent(...parameters));
    });
  }

  #resent(token, channel) {
    if (channel === null) return this.#accepted('otp_resend', token);
    return this.#accepted('otp_resend_channel', token, channel);
  }

  async verify(token, code, context) {
    const { result } = await this.check(token, code, context);
    return result === 'OK';
  }

  check(token, code, context) {
    return this.#run(async () => {
      const parameters = [text('token', token), text('code', code), optionalText('context', context)];
      const { number, reply } = await this.#native.call('otp_verify_context', this.#handle, ...parameters);
      if (number < OK) throw fromReply(number, reply);
      const { result: _spelled, message: _sentence, ...members } = reply;
      return { result: resultName(number), ...members };
    });
  }

  cancel(token) {
    return this.#run(async () => void (await this.#accepted('otp_cancel', text('token', token))));
  }

  status(token) {
    return this.#run(async () => discreet(await this.#accepted('otp_status', text('token', token))));
  }

  webhook(authorization, body) {
    return this.#run(async () => {
      const content = bytes('body', body);
      const header = optionalText('authorization', authorization);
      return discreet(await this.#accepted('otp_webhook', header, content, content.length), ['from', 'text']);
    });
  }

  report(report) {
    return this.#run(() => this.#accepted('otp_report', json('report', report)));
  }

  runDue() {
    return this.#run(() => this.#accepted('otp_run_due'));
  }

  metrics() {
    return this.#run(() => this.#accepted('otp_metrics'));
  }

  subject(subject) {
    return this.#run(() => this.#accepted('otp_subject', text('subject', subject)));
  }

  unlock(subject) {
    return this.#run(async () => (await this.#accepted('otp_unlock', text('subject', subject))).found);
  }

  erase(recipient) {
    return this.#run(async () => (await this.#accepted('otp_erase', text('recipient', recipient))).found);
  }

  copy(repository, options) {
    return this.#run(() =>
      this.#accepted('otp_copy', text('repository', repository), json('options', options)),
    );
  }

  close() {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close() {
    if (this.#running > 0) await new Promise((resolve) => this.#idle.push(resolve));
    await this.#native.close(this.#handle);
    // No call is left that could use them.
    for (const callback of this.#callbacks) callback.free();
  }

  /** Calls a function whose only good answer is OK. */
  async #accepted(name, ...parameters) {
    const { number, reply } = await this.#native.call(name, this.#handle, ...parameters);
    if (number !== OK) throw fromReply(number, reply);
    const { result: _ok, ...members } = reply;
    return members;
  }

  /** Runs a method, which `close` then waits for. */
  async #run(method) {
    if (this.#closing) throw new ArgumentError('service: closed');
    this.#running += 1;
    try {
      return await method();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#idle.splice(0).forEach((resolve) => resolve());
    }
  }
}

// Node 18 has the symbol from 18.18 on.
if (Symbol.asyncDispose) {
  Object.defineProperty(Service.prototype, Symbol.asyncDispose, { value: Service.prototype.close });
}

module.exports = { Service };
