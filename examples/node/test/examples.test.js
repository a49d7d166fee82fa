// What the short examples print, and that they end.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ask, start, stop, until } from './server.js';

const FOLDER = new URL('..', import.meta.url);
const PRINTED = {
  'create-verify.js': `to send: Insert the following code: ******, good for five minutes
a wrong code: false
the code: true
the code again: false
why not: CHECKED, 2 wrong codes left
`,
  'custom-sender.js': `sent by sms: Your code is ******
it verifies: true
E_SEND, in doubt: false, the code is cancelled
E_IN_DOUBT, in doubt: true, the code is pending
`,
  'cluster.js': '1 of 4 processes let someone in\n',
};

for (const [name, expected] of Object.entries(PRINTED)) {
  test(name, async () => {
    const run = promisify(execFile)(process.execPath, [fileURLToPath(new URL(name, FOLDER))], { timeout: 120_000 });
    const { stdout, stderr } = await run;
    assert.equal(stdout, expected);
    assert.equal(stderr, '');
  });
}

test('express-login.js', async (t) => {
  const server = await start(t, fileURLToPath(new URL('express-login.js', FOLDER)));
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const post = (target, body, headers = {}) => ask(server, target, { method: 'POST', body, headers: { ...form, ...headers } });
  assert.equal((await post('/login', 'phoneNumber=12')).status, 400);
  const begun = await post('/login', 'phoneNumber=393331234567');
  assert.equal(begun.status, 200);
  const cookie = begun.headers.get('set-cookie').split(';')[0];
  const line = await until(() => server.err.find((text) => text.startsWith('[sms to ')));
  const code = line.split(': ')[1];
  assert.equal((await post('/login/code', `code=${code}`)).status, 400);
  assert.equal((await post('/login/code', 'code=000', { cookie })).status, 401);
  const welcome = await post('/login/code', `code=${code}`, { cookie });
  assert.deepEqual([welcome.status, welcome.text], [200, 'Welcome']);
  assert.equal((await post('/login/code', `code=${code}`, { cookie })).status, 401);
  assert.equal((await post('/login', 'phoneNumber=393331234567')).status, 429);
  assert.equal(await stop(server), 0);
});

test('log-events.js', async () => {
  const file = fileURLToPath(new URL('log-events.js', FOLDER));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { timeout: 120_000 });
  const [first, ...events] = stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual([first.level, first.msg, stderr], [30, 'the program begins', '']);
  const told = events.map(({ level, logger, msg, result }) => [level, logger, msg, result]);
  const expected = [['create', 'OTP_OK'], ['verify', 'OTP_NOT_VALID'], ['verify', 'OTP_OK'], ['verify', 'OTP_CHECKED']];
  assert.deepEqual(told, expected.map((event) => [30, 'otp', ...event]));
  assert.equal(new Set(events.map(({ record }) => record)).size, 1);
});

test('every example is run and is short', () => {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.js'));
  assert.deepEqual(names.sort(), [...Object.keys(PRINTED), 'express-login.js', 'log-events.js'].sort());
  for (const name of names) assert.ok(readFileSync(new URL(name, FOLDER), 'utf8').split('\n').length <= 60, name);
});
