// Loggers and clocks.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { UNLIMITED, open, wrong } from './common.mjs';

const MINUTE = 60_000;
const REQUEST = { phoneNumber: '393331234567' };

test('the clock decides what is expired', async (t) => {
  let now = Date.UTC(2030, 0, 1);
  const otp = await open(t, UNLIMITED, { clock: () => now });
  const { code } = await otp.create('t', REQUEST);
  assert.equal((await otp.status('t')).creationDate, '2030-01-01T00:00:00.000Z');
  now += 5 * MINUTE + 0.5;
  assert.equal((await otp.check('t', code)).result, 'EXPIRED');
  now -= 5 * MINUTE;
  assert.equal((await otp.check('t', code)).result, 'EXPIRED');
});

test('a clock that fails is told once and replaced', async (t) => {
  for (const clock of [() => { throw new Error('no battery'); }, () => 'noon', () => NaN, async () => 1, () => undefined]) {
    const warned = once(process, 'warning');
    const otp = await open(t, UNLIMITED, { clock });
    const { code } = await otp.create('t', REQUEST);
    assert.equal(await otp.verify('t', code), true);
    const age = Date.now() - Date.parse((await otp.status('t')).creationDate);
    assert.ok(Math.abs(age) < MINUTE, String(age));
    const [warning] = await warned;
    assert.equal(warning.code, 'LIBOTP_CLOCK');
  }
});

test('events come as objects up to a level and hold no secret', async (t) => {
  const events = [];
  const otp = await open(t, UNLIMITED, { logger: (event) => events.push(event) });
  const { code } = await otp.create('secret-token', REQUEST);
  await otp.check('secret-token', wrong(code));
  await otp.verify('secret-token', code);
  assert.deepEqual(events.map(({ event, result }) => [event, result]), [
    ['create', 'OTP_OK'], ['verify', 'OTP_NOT_VALID'], ['verify', 'OTP_OK'],
  ]);
  for (const secret of ['secret-token', code, wrong(code), '3331234567']) assert.ok(!JSON.stringify(events).includes(secret));
  const errors = [];
  const quiet = await open(t, UNLIMITED, { logger: (event) => errors.push(event), logLevel: 1 });
  await quiet.create('t', REQUEST);
  assert.deepEqual(errors, []);
});

test('a logger that fails changes nothing', async (t) => {
  for (const logger of [() => { throw new Error('disk full'); }, async () => { throw new Error('disk full'); }]) {
    const warned = once(process, 'warning');
    const otp = await open(t, UNLIMITED, { logger });
    const { code } = await otp.create('t', REQUEST);
    assert.equal(await otp.verify('t', code), true);
    const [warning] = await warned;
    assert.equal(warning.code, 'LIBOTP_LOGGER');
    assert.match(warning.message, /disk full/);
  }
});

test('callbacks may call the service', async (t) => {
  const states = [];
  const otp = await open(t, UNLIMITED, {
    clock: () => Date.now(),
    logger: ({ event }) => {
      if (event === 'create') states.push(otp.status('t'));
    },
  });
  await otp.create('t', REQUEST);
  assert.equal((await Promise.all(states)).at(0).state, 'pending');
});

test('thousands at once get through with callbacks as well', async (t) => {
  let events = 0;
  const otp = await open(t, UNLIMITED, { clock: () => Date.now(), logger: () => (events += 1) });
  const count = process.env.LIBOTP_BACKEND === 'ffi-napi' ? 100 : 2000;
  await Promise.all(Array.from({ length: count }, (_, i) => otp.create(`t${i}`, { messengerId: String(i) })));
  assert.equal(events, count);
});
