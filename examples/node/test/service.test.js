// otp-service, as the tutorial's users meet it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ask, start, stop, until } from './server.js';

const SERVICE = fileURLToPath(new URL('../otp-service/server.js', import.meta.url));
const RECIPIENT = '{"messengerId":"8192836451","phoneNumber":"393331234567"}';
const REQUESTS = process.env.OTP_TEST_SIZE === 'full' ? 5000 : 500;

const post = (server, target, body, headers = { 'content-type': 'application/json' }) =>
  ask(server, target, { method: 'POST', body, headers });
const wrong = (code) => code.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10));
const printed = (server, to) => {
  const start_ = `[messenger to ${to}] Insert the following code: `;
  return server.err.find((line) => line.startsWith(start_))?.slice(start_.length);
};

/** A webhook's header as the carrier makes it. */
function authorization(secret, body) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iat: Math.floor(Date.now() / 1000),
    jti: 'aaad4f8f-1c5b-4a3e-9d5a-000000000001',
    iss: 'Vonage',
    payload_hash: createHash('sha256').update(body).digest('hex'),
  };
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `Bearer ${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

test('the tutorial\'s requests are answered and no secret is logged', async (t) => {
  const server = await start(t, SERVICE);
  const home = await ask(server, '/');
  assert.deepEqual([home.status, home.text], [200, 'This is the OTP service']);
  assert.equal((await post(server, '/otp/123456789', RECIPIENT)).status, 201);
  const code = await until(() => printed(server, '8192836451'));
  assert.match(code, /^\d{6}$/);
  const answers = [];
  for (const typed of [wrong(code), code, code]) {
    const { status, text } = await ask(server, `/otp/123456789/${typed}`);
    answers.push([status, text]);
  }
  assert.deepEqual(answers, [[404, 'Not found'], [200, 'OK'], [409, 'The code has already been verified']]);
  assert.equal(await stop(server), 0);
  const lines = server.err.filter((line) => !line.startsWith('[messenger to ')).concat(server.out);
  assert.ok(server.out.length >= 5 && server.out.every((line) => JSON.parse(line).event));
  for (const secret of [code, '123456789', '8192836451', '393331234567']) {
    assert.ok(lines.every((line) => !line.includes(secret)), lines.join('\n'));
  }
});

test('a code ends with its time and sends are limited', async (t) => {
  const server = await start(t, SERVICE, { OTP_CONFIG: '{"validityTime": 0.02, "repository": "json:otp"}' });
  assert.equal((await post(server, '/otp/expires', RECIPIENT)).status, 201);
  const code = await until(() => printed(server, '8192836451'));
  const again = await post(server, '/otp/another', RECIPIENT);
  assert.deepEqual([again.status, again.text], [429, 'Too many codes requested']);
  assert.ok(Number(again.headers.get('retry-after')) >= 1);
  await new Promise((resolve) => setTimeout(resolve, 1400));
  const expired = await ask(server, `/otp/expires/${code}`);
  assert.deepEqual([expired.status, expired.text], [410, 'The code is expired']);
});

test('only messengerId and phoneNumber are passed on', async (t) => {
  const server = await start(t, SERVICE);
  const bodies = [
    '', '{}', '[]', '"x"', 'null', '{"messengerId":"8192836451","code":"1234"}', '{"phoneNumber":"393331234567","subject":"x"}',
    '{"phoneNumber":393331234567}', '{"phoneNumber":null,"messengerId":"1"}', '{"__proto__":"x"}', '{"messengerId":"1","messengerId":"2"}',
    '\ufeff{"messengerId":"1"}', Buffer.from('{"messengerId":"\xff"}', 'latin1'),
  ];
  for (const body of bodies) assert.equal((await post(server, '/otp/t', body)).status, 400, String(body));
  assert.equal((await post(server, '/otp/t', 'x'.repeat(17_000))).status, 413);
  assert.equal((await post(server, '/otp/t', RECIPIENT, { 'content-type': 'text/plain' })).status, 201);
  const code = await until(() => printed(server, '8192836451'));
  const head = await ask(server, `/otp/t/${code}`, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers.get('allow')], [405, 'GET']);
  for (const page of ['/', '/healthz', '/readyz']) {
    assert.equal((await ask(server, page, { method: 'HEAD' })).status, 200, page);
    assert.equal((await ask(server, page, { method: 'PUT' })).headers.get('allow'), 'GET, HEAD', page);
  }
  assert.equal((await ask(server, '/otp/t/%FF')).status, 400);
  assert.equal((await ask(server, '/otp/..%2F..%2Fetc%2Fpasswd/123456')).status, 404);
  assert.equal((await ask(server, '/nothing')).text, 'There is no such page');
  const good = await ask(server, `/otp/t/${code}`);
  assert.deepEqual([good.status, good.headers.get('cache-control')], [200, 'no-store']);
  assert.equal(good.headers.get('content-type'), 'text/plain; charset=utf-8');
});

test('webhooks are believed by their signature', async (t) => {
  const unable = await start(t, SERVICE);
  assert.equal((await post(unable, '/webhooks/message-status', '{}')).status, 500);
  const secret = 'sXpFDnFVLLfMMSHD8b9FQ1dJyKBoCLwTzQ5W';
  const server = await start(t, SERVICE, { OTP_CONFIG: JSON.stringify({ webhook: { signatureSecret: secret } }) });
  // Its spaces are signed as well.
  const body = '{ "message_uuid": "1b2f6f0a-7f0e-4d0c-9b54-0c4b8a3d9e01", "status": "delivered", "channel": "sms" }';
  const statuses = {};
  for (const page of ['message-status', 'inbound-message']) {
    const send = (headers) => post(server, `/webhooks/${page}`, body, { 'content-type': 'application/json', ...headers });
    statuses[page] = [
      (await send({ authorization: authorization(secret, body) })).status,
      (await send({ authorization: authorization(secret, `${body} `) })).status,
      (await send({ authorization: authorization(`${secret}x`, body) })).status,
      (await send({})).status,
    ];
  }
  const expected = [200, 401, 401, 503];
  assert.deepEqual(statuses, { 'message-status': expected, 'inbound-message': expected });
});

test('configurations come from OTP_CONFIG or nexmo.json, and bad ones end the start', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'otp-pipe-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const pipe = path.join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const flawed = {
    OTP_CONFIG: ['{"otpLenght": 6}', 'missing.json', '{"sender": {"type": "none"}}', pipe, '/dev/zero'],
    PORT: ['x', '70000'],
  };
  for (const [name, values] of Object.entries(flawed)) {
    for (const value of values) {
      const server = await start(t, SERVICE, { [name]: value });
      assert.equal((await server.ended)[0], 1, value);
      assert.equal(server.err.filter((line) => line.startsWith('otp-service: ')).length, 1, value);
    }
  }
  const five = '{"otpLength": 5, "repository": "memory:"}';
  for (const [name, environment] of [['nexmo.json', {}], ['five.json', { OTP_CONFIG: 'five.json' }]]) {
    const server = await start(t, SERVICE, environment, { [name]: five });
    await post(server, '/otp/t', RECIPIENT);
    assert.match(await until(() => printed(server, '8192836451')), /^\d{5}$/);
  }
  // The tutorial's own file: its sender is `dispatch`, and its key lies beside it.
  const tutorial = '{"apiKey": "abcd1234", "apiSecret": "secret", "applicationId": "78d335fa-323d-0114-9c3d-d6f0d48968cf"}';
  const server = await start(t, SERVICE, {}, { 'nexmo.json': tutorial });
  assert.equal((await server.ended)[0], 1);
  assert.ok(server.err.some((line) => line.includes('private.key') && !line.includes('secret')), server.err.join());
});

test(`${REQUESTS} requests over 64 connections lose nothing`, async (t) => {
  const server = await start(t, SERVICE, { UV_THREADPOOL_SIZE: '33' });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  t.after(() => agent.destroy());
  const send = (method, target, body) =>
    new Promise((resolve, reject) => {
      const request = http.request({ agent, method, port: server.port, host: '127.0.0.1', path: target }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode));
      });
      request.once('error', reject).end(body);
    });
  const all = Array.from({ length: REQUESTS / 2 }, (_, i) => i);
  const created = await Promise.all(all.map((i) => send('POST', `/otp/t${i}`, `{"messengerId":"${i}"}`)));
  assert.deepEqual(created.filter((status) => status !== 201), []);
  const codes = await until(() => {
    const found = new Map(server.err.flatMap((line) => [/^\[messenger to (\d+)\] .*: (\d+)$/.exec(line)?.slice(1) ?? []]));
    return found.has(undefined) && found.delete(undefined), found.size === all.length ? found : undefined;
  });
  const verified = await Promise.all(all.map((i) => send('GET', `/otp/t${i}/${codes.get(String(i))}`)));
  assert.deepEqual(verified.filter((status) => status !== 200), []);
});
