// One of a swarm, in Node: see tests/languages/swarm.rs.

import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [folder, config] = process.argv.slice(2);
const { Service } = await import(pathToFileURL(path.join(folder, 'index.mjs')));

/** Sleeps until the wall clock shows these microseconds; a timer's milliseconds would be too coarse. */
function waitUntil(microseconds) {
  const left = microseconds / 1000 - (performance.timeOrigin + performance.now());
  if (left > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, left);
}

const otp = await Service.open(JSON.parse(config));
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [token, code, start] = line.split(' ');
  waitUntil(Number(start));
  console.log((await otp.check(token, code)).result);
}
await otp.close();
