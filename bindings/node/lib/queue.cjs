'use strict';

/** Node's thread pool: 4 threads, or what the environment asked for when the process started. */
const POOL_DEFAULT = 4;
const POOL_MAX = 1024;

/** Most calls that may be under way: those for which koffi keeps memory. It refuses more than 256 at once. */
const SLOTS_MAX = 32;

/**
 * Calls that may be under way at once. One thread of the pool is left to the host: while a disk or a provider keeps
 * all calls waiting, its files, names and hashes still make progress.
 */
function slots() {
  const threads = Number.parseInt(process.env.UV_THREADPOOL_SIZE, 10);
  const pool = Number.isNaN(threads) ? POOL_DEFAULT : Math.min(Math.max(threads, 1), POOL_MAX);
  return Math.min(Math.max(pool - 1, 1), SLOTS_MAX);
}

/** Lends one of a fixed number of buffers to each call; calls beyond wait in line. */
class Queue {
  #buffers;
  #waiting = [];
  #next = 0;

  constructor(count, bufferSize) {
    this.#buffers = Array.from({ length: count }, () => Buffer.alloc(bufferSize));
  }

  /** A buffer, as soon as one is free. */
  take() {
    const buffer = this.#buffers.pop();
    return buffer === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(buffer);
  }

  /** Takes a buffer back and hands it to who has waited longest. */
  give(buffer) {
    if (this.#next === this.#waiting.length) {
      this.#buffers.push(buffer);
      return;
    }
    const resolve = this.#waiting[this.#next];
    this.#waiting[this.#next] = undefined;
    this.#next += 1;
    // Thousands may wait: `shift` would move all of them each time.
    if (this.#next * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    resolve(buffer);
  }
}

module.exports = { Queue, slots };
