'use strict';

// The backend over ffi-napi, for hosts that have it anyway: the same functions, some 20 µs a call.
//
// Its callbacks from another thread change libuv's counts of what is active there, while the event loop does: now
// and then the loop ends with calls pending, or never. Its source calls that a race. So it calls back on the event
// loop's thread alone.

const { createRequire } = require('node:module');
const path = require('node:path');
const { isMainThread } = require('node:worker_threads');
const { UnsupportedError } = require('./errors.cjs');
const { PROTOTYPES, CALLBACKS, parse } = require('./prototypes.cjs');

if (!isMainThread) {
  // It ends the process with a segmentation fault when a worker stops.
  throw new UnsupportedError('backend: ffi-napi does not work in worker threads; use koffi');
}

const ffi = required('ffi-napi');

/** An optional module: of this package, or else of the program that runs. */
function required(name) {
  const places = [__filename, path.join(process.cwd(), 'package.json')];
  const causes = [];
  for (const place of places) {
    try {
      return createRequire(place)(name);
    } catch (error) {
      causes.push(error);
    }
  }
  const cause = causes.find((error) => error.code !== 'MODULE_NOT_FOUND') ?? causes[0];
  const why = cause.code === 'MODULE_NOT_FOUND' ? 'not installed' : 'cannot be loaded';
  throw new UnsupportedError(`backend: ${name} is ${why}`, { cause });
}

const TYPES = {
  void: 'void',
  text: 'string',
  bytes: 'pointer',
  address: 'size_t',
  size_t: 'size_t',
  int32: 'int32',
  uint32: 'uint32',
  int64: 'int64',
  callback: 'pointer',
};

const callbacks = new Map(CALLBACKS.map((declaration) => [parse(declaration).name, parse(declaration)]));

/** Loads the library at `path`: its functions by name, each `{ call(...), start(...) }`. */
function load(path) {
  const library = new ffi.DynamicLibrary(path, ffi.DynamicLibrary.FLAGS.RTLD_NOW);
  const functions = {};
  for (const prototype of PROTOTYPES) {
    const { name, returns, parameters } = parse(prototype);
    const types = parameters.map((kind) => TYPES[kind]);
    const f = ffi.ForeignFunction(library.get(name), TYPES[returns], types);
    functions[name] = { call: f, start: f.async };
  }
  return functions;
}

/** C function pointers that nobody uses, by type: ffi-napi never gives back all that one takes. */
const idle = new Map(CALLBACKS.map((declaration) => [parse(declaration).name, []]));

/** A C function pointer that calls `f` on this thread; `free` ends it. */
function callback(type, f) {
  const place = idle.get(type).pop() ?? newPlace(type);
  place.f = f;
  const free = () => {
    place.f = undefined;
    idle.get(type).push(place);
  };
  return { pointer: place.pointer, free };
}

/** A new C function pointer and the function that it calls, which may change. */
function newPlace(type) {
  const { returns, parameters } = callbacks.get(type);
  const place = { f: undefined, pointer: undefined };
  const call = (...values) => place.f(...values);
  place.pointer = ffi.Callback(TYPES[returns], parameters.map((kind) => TYPES[kind]), call);
  return place;
}

/** The address of a service, as a function takes it, from the bytes that the library wrote it to. */
function address(bytes) {
  // Beyond 2^53 the library's numbers are decimal texts.
  return bytes.readBigUInt64LE().toString();
}

/** Ends the process without joining threads. */
function exitNow(status) {
  const self = new ffi.DynamicLibrary(null, ffi.DynamicLibrary.FLAGS.RTLD_NOW);
  ffi.ForeignFunction(self.get('_exit'), 'void', ['int'])(status);
}

module.exports = { load, callback, address, exitNow, nothing: 0, callsBackFromThreads: false };
