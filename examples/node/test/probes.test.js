// What is asked about otp-service, and what it logs.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ask, start, stop, until } from './server.js';

const SERVICE = fileURLToPath(new URL('../otp-service/server.js', import.meta.url));
const RECIPIENT = '{"messengerId":"8192836451","phoneNumber":"393331234567"}';
const SCRAPES = process.env.OTP_TEST_SIZE === 'full' ? 10_000 : 500;

const post = (server, target, body) => ask(server, target, { method: 'POST', body });

/** The service with its address for probes: `[service, probes]`. */
async function startBoth(t, environment = {}) {
  const server = await start(t, SERVICE, { METRICS_PORT: '0', ...environment });
  return [server, { port: portIn(server, 'Metrics on port ') }];
}

function portIn(server, sentence) {
  const event = server.out.map((line) => JSON.parse(line)).find(({ message }) => message?.startsWith(sentence));
  return Number(event?.message.slice(sentence.length));
}

/** A sample of a page. */
function sample(text, name) {
  const line = text.split('\n').find((other) => other.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

test('the address of its own tells what was counted', async (t) => {
  const [server, probes] = await startBoth(t);
  await post(server, '/otp/session', RECIPIENT);
  const page = await ask(probes, '/metrics');
  assert.equal(page.status, 200);
  assert.equal(page.headers.get('content-type'), 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  assert.ok(page.text.endsWith('\n# EOF\n'), page.text);
  assert.equal(sample(page.text, 'otp_calls_total{call="create",result="OTP_OK"}'), 1);
  assert.equal(sample(page.text, 'otp_send_total{sender="console",outcome="accepted"}'), 1);
  for (const target of ['/healthz', '/readyz']) {
    for (const where of [server, probes]) {
      const { status, text } = await ask(where, target);
      assert.deepEqual([status, text], [200, 'OK'], target);
    }
  }
  const head = await ask(probes, '/metrics', { method: 'HEAD' });
  assert.deepEqual([head.status, head.text], [200, '']);
  for (const target of ['/metrics', '/healthz', '/readyz']) {
    const refused = await ask(probes, target, { method: 'POST' });
    assert.deepEqual([refused.status, refused.headers.get('allow')], [405, 'GET, HEAD'], target);
  }
  // Clients are not answered there, and are told nothing here.
  assert.equal((await post(probes, '/otp/session', RECIPIENT)).status, 404);
  assert.equal((await ask(server, '/metrics')).status, 404);
  assert.equal(await stop(server), 0);
});

test('probes of readiness do not pile up, and leave clients alone', async (t) => {
  const [server, probes] = await startBoth(t);
  const before = sample((await ask(probes, '/metrics')).text, 'otp_store_operations_total');
  // Connections that say nothing hold their places alone.
  const silent = Array.from({ length: 8 }, () => net.connect(probes.port, '127.0.0.1').on('error', () => {}));
  t.after(() => silent.forEach((socket) => socket.destroy()));
  for (let asked = 0; asked < SCRAPES; asked += 4) {
    const targets = ['/metrics', '/readyz', '/healthz', '/metrics'];
    const answers = await Promise.all(targets.map((target) => ask(probes, target)));
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200]);
  }
  assert.equal((await ask(server, '/')).status, 200);
  // They are another tenant's, and no client's.
  const page = (await ask(probes, '/metrics')).text;
  assert.ok(!page.includes('call="create"') && sample(page, 'otp_store_operations_total') - before < SCRAPES, page);
});

test('a service that stops is asked until its last answer', async (t) => {
  const [server, probes] = await startBoth(t);
  const running = net.connect(server.port, '127.0.0.1');
  t.after(() => running.destroy());
  const head = ['POST /otp/t HTTP/1.1', 'Host: x', 'Connection: close', 'Expect: 100-continue', `Content-Length: ${RECIPIENT.length}`];
  running.write(`${head.join('\r\n')}\r\n\r\n`);
  await once(running, 'data');
  assert.equal((await ask(probes, '/readyz')).status, 200);
  server.child.kill('SIGTERM');
  await until(() => server.out.find((line) => line.includes('"stopping"')));
  assert.deepEqual([(await ask(probes, '/readyz')).status, (await ask(probes, '/metrics')).status], [503, 200]);
  running.write(RECIPIENT);
  assert.match(String((await once(running, 'data'))[0]), /^HTTP\/1\.1 201 /);
  assert.equal((await server.ended)[0], 0);
});

test('the address is off unless it is asked for, and one in use is named', async (t) => {
  const off = await start(t, SERVICE);
  assert.ok(Number.isNaN(portIn(off, 'Metrics on port ')));
  const taken = net.createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address();
  for (const [value, cause] of [[String(port), `127.0.0.1:${port}: EADDRINUSE`], ['x', 'METRICS_PORT: must be']]) {
    const server = await start(t, SERVICE, { METRICS_PORT: value });
    assert.equal((await server.ended)[0], 1);
    assert.ok(server.err.some((line) => line.startsWith(`otp-service: ${cause}`)), server.err.join());
    assert.deepEqual(server.out.filter((line) => !line.includes('"warning"')), []);
  }
});

test('it listens where it is told, over IPv6 as well', async (t) => {
  const server = await start(t, SERVICE, { METRICS_PORT: '0', METRICS_HOST: '::1' });
  const port = portIn(server, 'Metrics on port ');
  const response = await fetch(`http://[::1]:${port}/healthz`);
  assert.equal(response.status, 200);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
});

test('standard output is the log alone, through a story with failures', async (t) => {
  const [server, probes] = await startBoth(t, { OTP_CONFIG: '{"repository": "json:otp", "maxAttempts": 2}' });
  assert.equal((await post(server, '/otp/planted-token', RECIPIENT)).status, 201);
  const code = (await until(() => server.err.find((line) => line.startsWith('[messenger to ')))).split(': ')[1];
  const wrong = code.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10));
  const asked = [
    ['/otp/planted-token', RECIPIENT, 429], ['/otp/planted-token', '{"phoneNumber":"planted"}', 400], ['/otp/planted-token', 'planted', 400],
    ['/webhooks/message-status', '{}', 500],
  ];
  for (const [target, body, status] of asked) assert.equal((await post(server, target, body)).status, status, body);
  assert.equal((await ask(server, `/otp/planted-token/${wrong}`)).status, 404);
  assert.equal((await ask(server, `/otp/planted-token/${code}`)).status, 200);
  assert.equal((await ask(server, '/otp/%FF/planted')).status, 400);
  assert.equal((await ask(server, '/planted')).status, 404);
  // A repository that fails.
  renameSync(path.join(server.folder, 'otp'), path.join(server.folder, 'gone'));
  writeFileSync(path.join(server.folder, 'otp'), 'no folder');
  assert.equal((await post(server, '/otp/planted-token', RECIPIENT)).status, 503);
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assert.deepEqual([(await ask(probes, '/readyz')).status, (await ask(probes, '/healthz')).status], [503, 200]);
  assert.equal(await stop(server), 0);
  const events = server.out.map((line) => JSON.parse(line));
  for (const event of events) {
    assert.match(event.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok([1, 2, 3].includes(event.level) && /^[a-z_]+$/.test(event.event), JSON.stringify(event));
  }
  const seen = new Set(events.map(({ event }) => event));
  for (const name of ['warning', 'listening', 'create', 'verify', 'webhook', 'failure', 'stopping']) assert.ok(seen.has(name), name);
  const secrets = [code, wrong, 'planted', '8192836451', '393331234567'];
  const others = server.err.filter((line) => !line.startsWith('[messenger to '));
  for (const secret of secrets) assert.ok([...server.out, ...others].every((line) => !line.includes(secret)), secret);
  assert.deepEqual(others, [`Server running on port ${server.port}`]);
});
