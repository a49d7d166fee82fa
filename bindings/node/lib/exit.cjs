'use strict';

// The end of a process whose calls wait for JavaScript. Node ends by joining the threads of its pool; one that is
// inside a logger or clock waits for the event loop, which turns no more: `process.exit()` would hang for ever.

const { isMainThread } = require('node:worker_threads');

/** Libraries that have callbacks; each tells whether it is `waiting` and how to `exitNow`. */
const watched = new Set();

function onExit(code) {
  const waiting = [...watched].find((native) => native.waiting);
  if (waiting === undefined) return;
  const listeners = process.listeners('exit');
  for (const listener of listeners.slice(listeners.indexOf(onExit) + 1)) listener.call(process, code);
  waiting.exitNow(Number(process.exitCode ?? code));
}

/** Ends the process at once, at its end, if `native` has calls under way then. */
function watch(native) {
  // A worker thread waits for its calls by itself when it is stopped.
  if (!isMainThread || watched.has(native)) return;
  if (watched.size === 0) process.on('exit', onExit);
  watched.add(native);
}

module.exports = { watch };
