'use strict';

// The library as promises: a number and a reply for each call, whatever the backend.

const { ArgumentError, UnsupportedError, InternalError } = require('./errors.cjs');
const { watch } = require('./exit.cjs');
const library = require('./library.cjs');
const { ABI_VERSION, REPLY_SIZE } = require('./prototypes.cjs');
const { Queue, slots } = require('./queue.cjs');
const { OK } = require('./results.cjs');

/** Backends by name; each is loaded when it is first asked for. */
const BACKENDS = {
  koffi: () => require('./koffi.cjs'),
  'ffi-napi': () => require('./ffi-napi.cjs'),
};

class Native {
  #backend;
  #functions;
  #queue = new Queue(slots(), REPLY_SIZE);
  #messages = new Map();
  #running = 0;
  /** Services that call back while the backend can do so on this thread alone. */
  #bound = new Set();

  constructor(backend, path) {
    this.#backend = backend;
    this.#functions = backend.load(path);
    const found = this.#functions.otp_abi_version.call();
    if (found !== ABI_VERSION) {
      throw new UnsupportedError(`${path}: its interface has version ${found}, and this package needs ${ABI_VERSION}`);
    }
  }

  /** Whether callbacks may come while calls run on other threads. */
  get callsBackFromThreads() {
    return this.#backend.callsBackFromThreads;
  }

  /** The version of the library. */
  get version() {
    return this.#functions.otp_version.call();
  }

  /** The sentence about a result, read once: ffi-napi takes milliseconds for a text. */
  message(number) {
    if (!this.#messages.has(number)) this.#messages.set(number, this.#functions.otp_result_message.call(number));
    return this.#messages.get(number);
  }

  /** The HTTP status with which a web service answers a result. */
  httpStatus(number) {
    return this.#functions.otp_result_http_status.call(number);
  }

  /** Opens a service: `{ number, reply, service }`, the last to be handed to `call`. */
  async open(config) {
    const service = Buffer.alloc(8);
    const answer = await this.call('otp_open', config, service);
    return { ...answer, service: this.#backend.address(service) };
  }

  /** Calls a function that ends with a reply, on a thread of the pool. */
  async call(name, ...parameters) {
    const buffer = await this.#queue.take();
    try {
      const number = await this.#start(name, ...parameters, buffer, REPLY_SIZE);
      const end = buffer.indexOf(0);
      const reply = JSON.parse(buffer.toString('utf8', 0, end));
      // It may hold a code.
      buffer.fill(0, 0, end);
      return { number, reply };
    } finally {
      this.#queue.give(buffer);
    }
  }

  /** Closes a service. */
  async close(service) {
    // It may wait for the disk; the buffer is its place in the queue.
    const buffer = await this.#queue.take();
    try {
      await this.#start('otp_close', service);
      this.#bound.delete(service);
    } finally {
      this.#queue.give(buffer);
    }
  }

  #start(name, ...parameters) {
    if (this.#bound.has(parameters[0])) return this.#callHere(name, ...parameters);
    return new Promise((resolve, reject) => {
      this.#running += 1;
      this.#functions[name].start(...parameters, (error, value) => {
        // Named here, they are held till now: the library reads memory of theirs, and koffi does not hold it.
        parameters.length = 0;
        this.#running -= 1;
        if (error) reject(new InternalError(`${name}: the call failed`, { cause: error }));
        else resolve(value);
      });
    });
  }

  /** Calls a function on this thread. */
  async #callHere(name, ...parameters) {
    // Calls one after another must leave the event loop its turns.
    await new Promise(setImmediate);
    try {
      return this.#functions[name].call(...parameters);
    } catch (cause) {
      throw new InternalError(`${name}: the call failed`, { cause });
    }
  }

  /** Sets the log; the returned callback must be kept, and freed after the service is closed. */
  onLog(service, maxLevel, log) {
    const callback = this.#backend.callback('otp_log_fn', log);
    this.#set('otp_on_log', [service, maxLevel, callback.pointer, this.#backend.nothing, null], callback);
    return callback;
  }

  /** Sets the clock; as `onLog`. */
  onClock(service, clock) {
    const callback = this.#backend.callback('otp_clock_fn', clock);
    this.#set('otp_on_clock', [service, callback.pointer, this.#backend.nothing, null], callback);
    return callback;
  }

  /** Whether a call is under way, which a callback may keep waiting. */
  get waiting() {
    return this.#running > 0;
  }

  /** Ends the process with this status, whatever its threads do. */
  exitNow(status) {
    this.#backend.exitNow(status);
  }

  #set(name, parameters, callback) {
    watch(this);
    const number = this.#functions[name].call(...parameters);
    if (number === OK) {
      if (!this.callsBackFromThreads) this.#bound.add(parameters[0]);
      return;
    }
    callback.free();
    throw new InternalError(`${name}: ${this.message(number)}`);
  }
}

const loaded = new Map();

/**
 * The library over the backend of this name, loaded once in each thread.
 *
 * @throws {ArgumentError} there is no such backend
 * @throws {UnsupportedError} the library or the backend is missing, or has another version
 */
function native(backend) {
  if (!Object.hasOwn(BACKENDS, backend)) throw new ArgumentError('backend: must be koffi or ffi-napi');
  if (!loaded.has(backend)) loaded.set(backend, load(backend));
  return loaded.get(backend);
}

function load(backend) {
  const path = library.find();
  if (path === undefined) {
    throw new UnsupportedError(
      `the library is missing: install ${library.platformPackage()}, set LIBOTP_LIBRARY to its path, ` +
        'or in a checkout have it built with cargo by `npm rebuild libotp`',
    );
  }
  const implementation = BACKENDS[backend]();
  try {
    return new Native(implementation, path);
  } catch (cause) {
    if (cause instanceof UnsupportedError) throw cause;
    throw new UnsupportedError(`${path}: cannot be loaded: ${cause.message}`, { cause });
  }
}

/** A library that is loaded already, else the default's: for what any backend answers alike. */
function anyNative() {
  const [first] = loaded.values();
  return first ?? native('koffi');
}

module.exports = { native, anyNative };
