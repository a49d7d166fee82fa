// The methods of a service, as users call them.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import path from 'node:path';
import { test } from 'node:test';
import * as libotp from 'libotp';
import { ArgumentError, ConfigError, Refused, Service, SignatureError, UnsignedError, UnsupportedError } from 'libotp';
import { UNLIMITED, backend, folder, open, rejection, wrong } from './common.mjs';

test('a code is good once', async (t) => {
  const otp = await open(t);
  const { code, text, attemptsLeft, expiresInSeconds, delivery } = await otp.create('t', { phoneNumber: '+39 333 1234567' });
  assert.match(code, /^\d{6}$/);
  assert.equal(text, `Insert the following code: ${code}`);
  assert.equal(attemptsLeft, 5);
  assert.ok(expiresInSeconds > 290 && expiresInSeconds <= 300);
  assert.deepEqual(delivery, { via: 'none', channel: 'sms', state: 'accepted' });
  assert.strictEqual(await otp.verify('t', wrong(code)), false);
  assert.deepEqual(await otp.check('t', wrong(code)), { result: 'NOT_VALID', attemptsLeft: 3 });
  assert.strictEqual(await otp.verify('t', code), true);
  assert.strictEqual(await otp.verify('t', code), false);
  assert.equal((await otp.check('t', code)).result, 'CHECKED');
  const status = await otp.status('t');
  assert.deepEqual([status.state, status.isChecked, status.token], ['checked', true, 't']);
});

test('of many at once exactly one is true', async (t) => {
  const otp = await open(t, { ...UNLIMITED, repository: `sqlite:${path.join(folder(t), 'otp.db')}`, durability: 'process' });
  for (let round = 0; round < 10; round += 1) {
    const { code } = await otp.create('t', { messengerId: '1' });
    const answers = await Promise.all(Array.from({ length: 100 }, () => otp.verify('t', code)));
    assert.equal(answers.filter((answer) => answer === true).length, 1);
    assert.equal(answers.filter((answer) => answer === false).length, 99);
  }
});

test('the other methods', async (t) => {
  const otp = await open(t);
  const first = await otp.create('t', { phoneNumber: '393331234567', context: 'pay 10' });
  assert.equal((await otp.resend('t')).code, first.code);
  assert.equal(await otp.verify('t', first.code), false);
  assert.equal(await otp.verify('t', first.code, 'pay 1000'), false);
  assert.equal(await otp.verify('t', first.code, 'pay 10'), true);
  const second = await otp.create('u', { phoneNumber: '393331234567' });
  assert.strictEqual(await otp.cancel('u'), undefined);
  assert.equal((await otp.check('u', second.code)).result, 'CANCELLED');
  for (let i = 0; i < 20; i += 1) await otp.check('u', wrong(second.code));
  const locked = await otp.check('u', second.code);
  assert.equal(locked.result, 'LOCKED');
  assert.ok(['code', 'subject'].includes(locked.locked));
  assert.strictEqual(await otp.unlock('393331234567'), true);
  assert.strictEqual(await otp.erase('393331234567'), true);
  assert.equal((await rejection(otp.status('t'))).result, 'UNKNOWN');
  assert.equal((await otp.runDue()).ran, 0);
});

test('what was counted is told', async (t) => {
  const otp = await open(t);
  assert.deepEqual(await otp.metrics(), {});
  const { code } = await otp.create('t');
  await otp.verify('t', wrong(code));
  await otp.verify('t', code);
  await rejection(otp.create('', {}));
  await otp.runDue();
  const { calls, store, live, due, reports } = await otp.metrics();
  assert.deepEqual(calls.create, { OTP_OK: 1, OTP_E_ARGUMENT: 1 });
  assert.deepEqual(calls.verify, { OTP_OK: 1, OTP_NOT_VALID: 1 });
  assert.ok(store.operations > 2 && store.busy === undefined);
  assert.deepEqual([live, due, reports], [0, undefined, undefined]);
});

test('a report on a message of nobody changes nothing', async (t) => {
  const otp = await open(t);
  assert.deepEqual(await otp.report({ clientRef: 'r', status: 'read' }), { known: false });
  assert.deepEqual(await otp.report('{"sender": "none", "messageId": "m", "status": "failed"}'), { known: false });
  for (const wrong of [undefined, null, 7, [], {}, { status: 'read' }, { clientRef: 'r', status: 'accepted' }]) {
    assert.ok((await rejection(otp.report(wrong))) instanceof ArgumentError, inspect(wrong));
  }
  assert.equal((await otp.metrics()).reports.unknown, 2);
});

test('a repository is copied, and moved', async (t) => {
  const place = folder(t);
  const key = Buffer.alloc(32).toString('base64');
  const config = (repository) => ({ repository, key, sender: { type: 'none' } });
  const otp = await open(t, config(`sqlite:${place}/one.db`));
  const { code } = await otp.create('t', { phoneNumber: '393331234567' });
  assert.deepEqual(await otp.copy(`json:${place}/two`), { rows: 2, skipped: 0 });
  assert.equal((await rejection(otp.copy(`json:${place}/two`))).code, 'E_ARGUMENT');
  await otp.copy(`sqlite:${place}/three.db`, { move: true });
  assert.equal((await rejection(otp.verify('t', code))).code, 'E_STORE');
  assert.equal((await (await open(t, config(`json:${place}/two`))).check('t', code)).result, 'EXPIRED');
  assert.equal(await (await open(t, config(`sqlite:${place}/three.db`))).verify('t', code), true);
});

test('a refusal rejects where there is no boolean to answer', async (t) => {
  const otp = await open(t, { repository: 'memory:', sender: { type: 'none' }, policy: { countries: ['39'] } });
  const request = { phoneNumber: '393331234567' };
  await otp.create('t', request);
  const limited = await rejection(otp.create('t', request));
  assert.ok(limited instanceof Refused && limited instanceof libotp.OtpError && limited instanceof Error);
  assert.deepEqual([limited.name, limited.code, limited.result], ['Refused', 'RATE_LIMITED', 'RATE_LIMITED']);
  assert.ok(limited.retryAfterSeconds >= 1 && limited.retryAfterSeconds <= 30);
  assert.equal(limited.inDoubt, false);
  assert.equal((await rejection(otp.create('t', { phoneNumber: '14155550100' }))).result, 'REFUSED');
  assert.equal((await rejection(otp.cancel('nobody'))).result, 'UNKNOWN');
});

test('arguments that C would misread are refused', async (t) => {
  const otp = await open(t);
  const bad = [undefined, null, 7, '', 'a\0b', 'a\ud800', 'x'.repeat(257), {}, ['t'], Buffer.from('t')];
  for (const token of bad) {
    // At once, since a rejection that nobody waits for yet would be unhandled.
    const calls = [otp.create(token, {}), otp.verify(token, '123456'), otp.status(token), otp.cancel(token)];
    for (const error of await Promise.all(calls.map(rejection))) {
      assert.ok(error instanceof ArgumentError, inspect(token));
      assert.match(error.message, /^token\b/);
    }
  }
  for (const code of [undefined, 123456, '', '1\0', 'x'.repeat(65)]) {
    assert.match((await rejection(otp.verify('t', code))).message, /^code\b/);
  }
  for (const request of [7, [], () => {}, '[]', '{', { a: 1n }, { phoneNumber: '1\0' }, { unknown: '1' }, '{"locale":"en","locale":"it"}']) {
    assert.ok((await rejection(otp.create('t', request))) instanceof ArgumentError, inspect(request));
  }
  assert.match((await rejection(otp.webhook('a\0', ''))).message, /^authorization: /);
  assert.match((await rejection(otp.webhook(null, { body: 1 }))).message, /^body: /);
});

test('configurations and options are checked', async () => {
  for (const config of [{ otpLenght: 6 }, '{"otpLength": 99}', { repository: 'nosql:x' }, '{"otpLength":6,"otpLength":7}']) {
    assert.ok((await rejection(Service.open(config, { backend }))) instanceof ConfigError, inspect(config));
  }
  for (const options of [{ loger: console.log }, { backend: 'ffi' }, { clock: 7 }, { sender: 'x' }, { logLevel: 0 }, null]) {
    assert.ok((await rejection(Service.open(UNLIMITED, options))) instanceof ArgumentError, inspect(options));
  }
  assert.ok((await rejection(Service.open({ ...UNLIMITED, background: true, repository: 'redis://h' }, { backend }))) instanceof libotp.OtpError);
  assert.throws(() => new Service(), TypeError);
});

test('webhooks are believed by their signature only', async (t) => {
  const otp = await open(t, { ...UNLIMITED, webhook: { signatureSecret: 'x'.repeat(32) } });
  const body = Buffer.from('{"message_uuid":"1"}');
  assert.ok((await rejection(otp.webhook(undefined, body))) instanceof UnsignedError);
  assert.ok((await rejection(otp.webhook('Bearer a.b.c', body))) instanceof SignatureError);
  const without = await open(t);
  assert.ok((await rejection(without.webhook(null, body))) instanceof UnsupportedError);
});

test('close waits for what runs and refuses what comes later', async (t) => {
  const otp = await open(t);
  const running = Array.from({ length: 300 }, (_, i) => otp.create(`t${i}`, { messengerId: '1' }));
  const closed = otp.close();
  assert.equal(closed, otp.close());
  let ended = 0;
  for (const call of running) call.then(() => (ended += 1));
  await closed;
  assert.equal(ended, 300);
  const late = await rejection(otp.verify('t1', '123456'));
  assert.ok(late instanceof ArgumentError);
  assert.equal(late.message, 'service: closed');
  if (Symbol.asyncDispose) assert.equal(Service.prototype[Symbol.asyncDispose], Service.prototype.close);
});

test('what is printed holds no code and no recipient', async (t) => {
  const otp = await open(t);
  const created = await otp.create('secret-token', { phoneNumber: '393331234567' });
  const printed = inspect([created, otp, await otp.status('secret-token')], { depth: 9, showHidden: true });
  for (const secret of [created.code, 'secret-token', '3331234567']) assert.ok(!printed.includes(secret), printed);
  const error = await rejection(otp.create('secret-token', { phoneNumber: '39333', code: created.code }));
  for (const secret of [created.code, 'secret-token', '39333']) assert.ok(!inspect(error).includes(secret));
  assert.equal(JSON.parse(JSON.stringify(created)).code, created.code);
});

test('results have a sentence and a status', () => {
  const { resultHttpStatus, resultMessage, version } = libotp;
  assert.match(version(), /^\d+\.\d+\.\d+/);
  assert.deepEqual([resultHttpStatus('OK'), resultMessage('OK')], [200, 'OK']);
  assert.deepEqual([resultHttpStatus('EXPIRED'), resultMessage('EXPIRED')], [410, 'The code is expired']);
  assert.deepEqual([resultHttpStatus('E_STORE'), resultHttpStatus('toString')], [503, 404]);
  assert.equal(resultMessage('nonsense'), 'The code is invalid for unknown reason');
});

test('import and require share their classes', () => {
  const required = createRequire(import.meta.url)('libotp');
  assert.deepEqual(Object.keys(required).sort(), Object.keys(libotp).filter((name) => name !== 'default').sort());
  for (const name of Object.keys(required)) assert.equal(required[name], libotp[name], name);
});
