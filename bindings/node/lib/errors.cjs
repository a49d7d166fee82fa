'use strict';

const { resultName } = require('./results.cjs');

/**
 * A call that libotp could not answer, or in `Refused` would not. `message` is one line for a log and holds no code,
 * token, recipient or key.
 */
class OtpError extends Error {
  constructor(message, { result = 'E_INTERNAL', cause, ...details } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = result;
    this.result = result;
    this.inDoubt = false;
    Object.assign(this, details);
  }

  get name() {
    return this.constructor.name;
  }
}

/** A class whose errors have this result unless told another. */
function kind(result) {
  return class extends OtpError {
    constructor(message, details = {}) {
      super(message, { result, ...details });
    }
  };
}

class Refused extends OtpError {}
class ArgumentError extends kind('E_ARGUMENT') {}
class ConfigError extends kind('E_CONFIG') {}
class StoreError extends kind('E_STORE') {}
class BusyError extends kind('E_BUSY') {}
class SignatureError extends kind('E_SIGNATURE') {}
class UnsignedError extends kind('E_UNSIGNED') {}
class RandomError extends kind('E_RANDOM') {}
class UnsupportedError extends kind('E_UNSUPPORTED') {}
class InternalError extends kind('E_INTERNAL') {}

class SendError extends kind('E_SEND') {
  constructor(message, details) {
    super(message, details);
    this.inDoubt = this.result === 'E_IN_DOUBT';
  }
}

/** What a sender throws to say that the message has certainly not gone out. */
class NotSent extends Error {
  get name() {
    return 'NotSent';
  }
}

const CLASSES = new Map([
  ['E_ARGUMENT', ArgumentError],
  ['E_CONFIG', ConfigError],
  ['E_STORE', StoreError],
  ['E_BUSY', BusyError],
  ['E_SEND', SendError],
  ['E_IN_DOUBT', SendError],
  ['E_SIGNATURE', SignatureError],
  ['E_UNSIGNED', UnsignedError],
  ['E_RANDOM', RandomError],
  ['E_UNSUPPORTED', UnsupportedError],
  ['E_INTERNAL', InternalError],
]);

/** The error for a result other than OK and the reply that came with it. */
function fromReply(number, { result: _spelled, message, ...details }) {
  const result = resultName(number);
  const Class = number > 0 ? Refused : (CLASSES.get(result) ?? OtpError);
  return new Class(message, { ...details, result });
}

module.exports = {
  OtpError,
  Refused,
  ArgumentError,
  ConfigError,
  StoreError,
  BusyError,
  SendError,
  SignatureError,
  UnsignedError,
  RandomError,
  UnsupportedError,
  InternalError,
  NotSent,
  fromReply,
};
