// Services, calls and callbacks that throw leave nothing behind.
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'node:test';
import { Service } from 'libotp';
import { UNLIMITED, backend, open, size } from './common.mjs';

setFlagsFromString('--expose_gc');
// Bun has no V8, and a collector of its own.
const collect = globalThis.Bun ? () => globalThis.Bun.gc(true) : runInNewContext('gc');

/** Bytes that a campaign may leave resident: what an allocator keeps, and far less than a leak of each round. */
const SLACK_BYTES = 24 << 20;

/** A slow backend does less. */
const rounds = (small, full) => Math.ceil(size(small, full) / (backend === 'koffi' ? 1 : 20));

/** Resident bytes at rest. */
async function resident() {
  for (let i = 0; i < 4; i += 1) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return process.memoryUsage().rss;
}

/** Runs `round` until the allocators have what they need, then `count` times, and looks at what has grown. */
async function campaign(count, round, warm = count / 4) {
  for (let i = 0; i < warm; i += 1) await round(i);
  const before = await resident();
  for (let i = 0; i < count; i += 1) await round(i);
  const grown = (await resident()) - before;
  assert.ok(grown < SLACK_BYTES, `${grown} bytes in ${count} rounds`);
}

test('services opened and closed', async () => {
  const options = { backend, clock: () => 1700000000000, logger: () => {} };
  const round = async () => {
    const otp = await Service.open(UNLIMITED, options);
    await otp.close();
  };
  // More callbacks in all than koffi has places, 8192: each must be given back. V8 takes its young space in steps of
  // megabytes, the last after some ten thousand services.
  await campaign(rounds(3500, 100_000), round, size(500, 10_000));
});

test('calls', async (t) => {
  const otp = await open(t);
  await campaign(rounds(200, 20_000), async () => {
    const { code } = await otp.create('t', { phoneNumber: '393331234567' });
    const calls = Array.from({ length: 46 }, (_, i) => otp.check(`t${i}`, code));
    const failing = [otp.status('nobody'), otp.create('t', '{'), otp.verify('t', 'x'.repeat(65))];
    await Promise.allSettled([...calls, ...failing]);
  });
});

test('callbacks that throw', async (t) => {
  const fail = () => {
    throw new Error('no');
  };
  const otp = await open(t, UNLIMITED, { clock: fail, logger: fail, logLevel: 4 });
  await campaign(rounds(250, 2500), () => Promise.all([1, 2].map((i) => otp.verify(`t${i}`, '123456'))));
});

test('senders that throw', async (t) => {
  const config = { repository: 'memory:', policy: { sendLimits: [], cooldownSeconds: 0 } };
  const otp = await open(t, config, { sender: () => Promise.reject(new Error('no')) });
  await campaign(rounds(250, 10_000), (i) => otp.create(`t${i % 50}`, { messengerId: '1' }).catch(() => {}));
});
