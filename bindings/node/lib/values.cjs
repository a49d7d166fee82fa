'use strict';

// What callers hand over, as text for the library. C strings end at the first NUL and UTF-8 has no lone surrogates:
// both would let two different tokens become one.

const { inspect } = require('node:util');
const { ArgumentError } = require('./errors.cjs');

const LONE_SURROGATE = /\p{Surrogate}/u;

/** `value` if it is a text that reaches the library as it is. */
function text(name, value) {
  if (typeof value !== 'string') throw new ArgumentError(`${name}: must be a string`);
  if (value.includes('\0')) throw new ArgumentError(`${name}: must not hold a NUL character`);
  if (LONE_SURROGATE.test(value)) throw new ArgumentError(`${name}: must be well-formed Unicode`);
  return value;
}

/** As `text`, or null for one left out. */
function optionalText(name, value) {
  return value === undefined || value === null ? null : text(name, value);
}

/** An object, or a text that is JSON already, as JSON; null for one left out. */
function json(name, value) {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return text(name, value);
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new ArgumentError(`${name}: must be an object, or JSON in a string`);
  }
  try {
    return text(name, JSON.stringify(value));
  } catch (cause) {
    if (cause instanceof ArgumentError) throw cause;
    throw new ArgumentError(`${name}: cannot be written as JSON`, { cause });
  }
}

/** A webhook's body in memory of its own, since the caller's may change while the call runs. */
function bytes(name, value) {
  if (typeof value === 'string' || value instanceof Uint8Array) return Buffer.from(value);
  throw new ArgumentError(`${name}: must be a Buffer, a Uint8Array or a string`);
}

/** Throws for a member of `options` that is none of `names`. */
function known(name, options, names) {
  if (typeof options !== 'object' || options === null) throw new ArgumentError(`${name}: must be an object`);
  const unknown = Object.keys(options).find((member) => !names.includes(member));
  if (unknown !== undefined) throw new ArgumentError(`${name}: ${unknown} is not an option`);
}

/** `value` if it is a function or left out. */
function optionalFunction(name, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'function') throw new ArgumentError(`${name}: must be a function`);
  return value;
}

const SECRETS = ['token', 'to', 'subject', 'text', 'code'];

/** The same object, which `console.log` and loggers built on `util.inspect` print without code and recipient. */
function discreet(object, secrets = SECRETS) {
  Object.defineProperty(object, inspect.custom, {
    value(_depth, options) {
      const shown = Object.entries(object).map(([name, value]) => [name, secrets.includes(name) ? '[hidden]' : value]);
      return inspect(Object.fromEntries(shown), options);
    },
  });
  return object;
}

module.exports = { text, optionalText, json, bytes, known, optionalFunction, discreet };
