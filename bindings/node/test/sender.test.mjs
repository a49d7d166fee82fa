// Senders that are async functions: what they promise about codes.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { ConfigError, NotSent, Refused, SendError, Service, UnsupportedError } from 'libotp';
import { backend, folder, open, rejection } from './common.mjs';

const CONFIG = { repository: 'memory:', policy: { sendLimits: [], cooldownSeconds: 0 } };
const REQUEST = { phoneNumber: '393331234567' };

/** A service whose sender keeps the messages and answers with `answer(message)`. */
async function deliver(t, answer, config = CONFIG) {
  const messages = [];
  const sender = async (message) => {
    messages.push(message);
    return answer(message);
  };
  return [await open(t, config, { sender }), messages];
}

test('a message that is sent leaves a good code', async (t) => {
  for (const answer of [undefined, true]) {
    const config = { ...CONFIG, message: { en: 'Your code: {code}', it: 'Il codice: {code}' } };
    const [otp, messages] = await deliver(t, () => answer, config);
    const created = await otp.create('t', { ...REQUEST, locale: 'it-CH' });
    assert.deepEqual(Object.keys(created).sort(), ['attemptsLeft', 'delivery', 'expiresInSeconds']);
    const [{ code, ...message }] = messages;
    assert.deepEqual(message, {
      token: 't', channel: 'sms', to: '393331234567', from: '', text: `Il codice: ${code}`,
      expiresInSeconds: created.expiresInSeconds, locale: 'it',
    });
    await otp.resend('t');
    assert.equal(messages[1].code, code);
    assert.equal(await otp.verify('t', code), true);
  }
});

test('a message that is certainly not sent cancels its code', async (t) => {
  const cause = new NotSent('no credit');
  for (const [answer, expected] of [[() => false, undefined], [() => Promise.reject(cause), cause]]) {
    const [otp, messages] = await deliver(t, answer);
    const error = await rejection(otp.create('t', REQUEST));
    assert.ok(error instanceof SendError);
    assert.deepEqual([error.code, error.inDoubt, error.cause], ['E_SEND', false, expected]);
    assert.equal((await otp.check('t', messages[0].code)).result, 'CANCELLED');
  }
});

test('doubt leaves the code as it is', async (t) => {
  const boom = new Error('connection reset');
  for (const answer of [() => Promise.reject(boom), () => 0, () => null, () => 'sent', () => { throw boom; }]) {
    const [otp, messages] = await deliver(t, answer);
    const error = await rejection(otp.create('t', REQUEST));
    assert.ok(error instanceof SendError);
    assert.deepEqual([error.code, error.inDoubt], ['E_IN_DOUBT', true]);
    assert.equal(await otp.verify('t', messages[0].code), true);
  }
});

test('a resend that fails never cancels', async (t) => {
  let answer = true;
  const [otp, messages] = await deliver(t, () => answer);
  await otp.create('t', REQUEST);
  answer = false;
  assert.equal((await rejection(otp.resend('t'))).code, 'E_SEND');
  assert.equal(await otp.verify('t', messages[0].code), true);
});

test('a create that fails does not cancel the code of a newer one', async (t) => {
  let fail;
  const first = new Promise((_resolve, reject) => (fail = reject));
  let count = 0;
  const [otp, messages] = await deliver(t, () => ((count += 1) === 1 ? first : true));
  const older = otp.create('t', REQUEST);
  older.catch(() => {});
  while (count < 1) await new Promise((resolve) => setTimeout(resolve, 1));
  await otp.create('t', REQUEST);
  fail(new NotSent('late'));
  const error = await rejection(older);
  assert.ok(error instanceof Refused);
  assert.equal(error.result, 'CANCELLED');
  assert.equal(await otp.verify('t', messages[1].code), true);
});

test('a sender may call its service', async (t) => {
  const states = [];
  const otp = await open(t, CONFIG, {
    sender: async ({ token, code }) => {
      states.push((await otp.status(token)).state, await otp.verify(token, code));
    },
  });
  await otp.create('t', REQUEST);
  assert.deepEqual(states, ['pending', true]);
});

test('close waits for senders', async (t) => {
  const [otp, messages] = await deliver(t, async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return false;
  });
  const created = rejection(otp.create('t', REQUEST));
  while (messages.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  await otp.close();
  assert.equal((await created).code, 'E_SEND');
});

test('what it cannot promise is refused', async (t) => {
  const [otp, messages] = await deliver(t, () => true);
  for (const request of [{ ...REQUEST, idempotencyKey: 'k' }, '{"idempotencyKey": "k"}']) {
    assert.ok((await rejection(otp.create('t', request))) instanceof UnsupportedError);
  }
  assert.equal(messages.length, 0);
  const sender = async () => {};
  for (const config of [{ ...CONFIG, sender: { type: 'console' } }, '{"sender": {"type": "messages"}}', '{"otpLength": 6, "otpLength": 7}', '{', '[]', 'null']) {
    assert.ok((await rejection(Service.open(config, { backend, sender }))) instanceof ConfigError, String(config));
  }
  const repository = `sqlite:${path.join(folder(t), 'otp.db')}`;
  const texts = [' { } ', '{"sender": {"type": "none"}, "brand": "}"}', '{"brand": "}"}\n'];
  for (const text of texts) {
    const config = JSON.stringify({ repository }).slice(0, -1) + (text.trim() === '{ }' ? '}' : `, ${text.trim().slice(1)}`);
    const other = await Service.open(config, { backend, sender });
    await other.close();
  }
});
