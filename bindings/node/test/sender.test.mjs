// Senders that are async functions: what they promise about codes.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { ArgumentError, ConfigError, NotSent, Refused, SendError, Service, UnsupportedError } from 'libotp';
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
  for (const config of [{ ...CONFIG, sender: { type: 'console' } }, { ...CONFIG, senders: { one: { type: 'host' } } }, '{"sender": {"type": "messages"}}', '{"otpLength": 6, "otpLength": 7}', '{', '[]', 'null']) {
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

test('a configuration may name the sender host, as everywhere', async (t) => {
  for (const config of [{ ...CONFIG, sender: { type: 'host' } }, '{"repository": "memory:", "sender" : { "type" :"host"}}']) {
    const [otp, messages] = await deliver(t, () => true, config);
    await otp.create('t', REQUEST);
    assert.equal(await otp.verify('t', messages[0].code), true);
  }
  await assert.rejects(deliver(t, () => true, { ...CONFIG, sender: { type: 'console' } }), ConfigError);
});

test('a create without an address is refused before anything is done', async (t) => {
  const [otp, messages] = await deliver(t, () => true);
  await otp.create('t', REQUEST);
  for (const request of [{}, { subject: 'x' }, { phoneNumber: '393331234567', channels: ['messenger'] }]) {
    const error = await rejection(otp.create('t', request));
    assert.ok(error instanceof ArgumentError, String(error));
  }
  assert.equal(messages.length, 1);
  assert.equal(await otp.verify('t', messages[0].code), true);
});

test('a message that certainly did not leave is followed by the next, in one create', async (t) => {
  const answers = [false, new NotSent('no'), true];
  const workflow = [{ channel: 'messenger' }, { channel: 'sms' }, { channel: 'pigeon' }];
  // The cooldown holds for creates, and not for what follows one.
  const config = { repository: 'memory:', workflow };
  const answer = () => {
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  const [otp, messages] = await deliver(t, answer, config);
  const created = await otp.create('t', { ...REQUEST, messengerId: '8192836451', pigeon: 'coop 7' });
  assert.deepEqual(messages.map(({ channel }) => channel), ['messenger', 'sms', 'pigeon']);
  assert.equal(new Set(messages.map(({ code }) => code)).size, 1);
  assert.equal(created.delivery.channel, 'pigeon');
  assert.equal(await otp.verify('t', messages[0].code), true);
});

test('a code that was cancelled while its message was being sent is no success', async (t) => {
  let begin;
  const begun = new Promise((resolve) => (begin = resolve));
  let end;
  const [otp] = await deliver(t, () => {
    begin();
    return new Promise((resolve) => (end = resolve));
  });
  const creating = otp.create('t', REQUEST);
  await begun;
  await otp.cancel('t');
  end(true);
  const error = await rejection(creating);
  assert.ok(error instanceof Refused, String(error));
  assert.equal(error.result, 'CANCELLED');
});

test('send it by SMS instead', async (t) => {
  const [otp, messages] = await deliver(t, () => true);
  await otp.create('t', { ...REQUEST, messengerId: '8192836451' });
  await otp.resend('t', 'sms');
  assert.deepEqual(messages.map(({ channel }) => channel), ['messenger', 'sms']);
  assert.ok((await rejection(otp.resend('t', 'pigeon'))) instanceof ArgumentError);
});

test('operators are told what was found', async (t) => {
  const [otp, messages] = await deliver(t, () => true);
  await otp.create('t', REQUEST);
  const wrong = messages[0].code.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10));
  await otp.verify('t', wrong);
  assert.deepEqual(await otp.subject('+39 333 1234567'), { failures: 1 });
  assert.deepEqual([await otp.unlock('+39 333 1234567'), await otp.unlock('+39 333 1234567')], [true, false]);
  assert.deepEqual([await otp.erase('+39\u00a0333 1234567'), await otp.erase('393331234567')], [true, false]);
  assert.ok((await rejection(otp.erase('+39 12'))) instanceof ArgumentError);
});

test('what is printed of a webhook hides who wrote and what', async (t) => {
  const secret = 'a secret of thirty-two bytes and more';
  const otp = await open(t, { ...CONFIG, sender: { type: 'none' }, webhook: { signatureSecret: secret } });
  const body = JSON.stringify({ message_uuid: 'm', from: '8192836451', channel: 'messenger', text: 'my secret' });
  const reply = await otp.webhook(signed(secret, body), body);
  assert.deepEqual([reply.from, reply.text], ['8192836451', 'my secret']);
  assert.doesNotMatch(inspect(reply), /8192836451|my secret/);
});

/** The header that the carrier would send. */
function signed(secret, body) {
  const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const claims = { iat: Math.floor(Date.now() / 1000), jti: 'j', iss: 'Vonage', payload_hash: createHash('sha256').update(body).digest('hex') };
  const content = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `Bearer ${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}
