'use strict';

// The backend over koffi: no compiler, about 0.1 µs a call, callbacks from any thread.

const koffi = require('koffi');
const { UnsupportedError } = require('./errors.cjs');
const { PROTOTYPES, CALLBACKS, parse } = require('./prototypes.cjs');

/**
 * An asynchronous call runs on a stack of koffi's, by default of 128 KiB: little for SQLite, TLS and RSA in one call.
 * As many sets of memory are kept as calls run at once: mapping them anew costs more than a call.
 */
const SETTINGS = { async_stack_size: 1 << 20, resident_async_pools: 32 };

configure();

/** Settings hold for all that use koffi in this thread, and are fixed once one has loaded a library. */
function configure() {
  const settings = koffi.config();
  const small = settings.async_stack_size < SETTINGS.async_stack_size;
  // A host that uses koffi as well may have asked for more.
  for (const [name, least] of Object.entries(SETTINGS)) settings[name] = Math.max(settings[name], least);
  try {
    koffi.config(settings);
  } catch (cause) {
    if (!small) return;
    const remedy = `koffi.config({ async_stack_size: ${SETTINGS.async_stack_size} })`;
    throw new UnsupportedError(`koffi: in use already, with too small a stack: load libotp first, or call ${remedy}`, { cause });
  }
}

const TYPES = {
  void: 'void',
  text: 'str',
  bytes: 'void *',
  address: 'uintptr_t',
  size_t: 'size_t',
  int32: 'int32_t',
  uint32: 'uint32_t',
  int64: 'int64_t',
  callback: 'void *',
};

const protos = new Map();
for (const declaration of CALLBACKS) {
  const { name, returns, parameters } = parse(declaration);
  // Without a name, which koffi keeps for the process: this module may be loaded more than once in it.
  const proto = koffi.proto(TYPES[returns], parameters.map((kind) => TYPES[kind]));
  protos.set(name, koffi.pointer(proto));
}

/** Loads the library at `path`: its functions by name, each `{ call(...), start(...) }`. */
function load(path) {
  const library = koffi.load(path);
  const functions = {};
  for (const prototype of PROTOTYPES) {
    const { name, returns, parameters } = parse(prototype);
    const f = library.func(name, TYPES[returns], parameters.map((kind) => TYPES[kind]));
    functions[name] = { call: f, start: f.async };
  }
  return functions;
}

/** A C function pointer that calls `f` on this thread; `free` ends it. */
function callback(type, f) {
  const pointer = koffi.register(f, protos.get(type));
  return { pointer, free: () => koffi.unregister(pointer) };
}

/** The address of a service, as a function takes it, from the bytes that the library wrote it to. */
function address(bytes) {
  return bytes.readBigUInt64LE();
}

/** Ends the process without joining threads. */
function exitNow(status) {
  koffi.load(null).func('_exit', 'void', ['int'])(status);
}

module.exports = { load, callback, address, exitNow, nothing: 0, callsBackFromThreads: true };
