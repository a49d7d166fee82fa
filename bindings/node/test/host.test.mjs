// What a host does beside the package: it uses koffi as well, and has an async function for a clock.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { Service } from 'libotp';
import { backend } from './common.mjs';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const LOAD = `const { Service } = require(${JSON.stringify(PACKAGE)});`;
const KOFFI = `require(${JSON.stringify(createRequire(import.meta.url).resolve('koffi'))})`;
const USE_KOFFI = `${KOFFI}.load(null).func('int getpid()')();`;
const OPEN = "Service.open({ repository: 'memory:' }).then((otp) => otp.close()).then(() => console.log('fine'), (e) => console.log(e.code, e.message));";

/** What a CommonJS program prints. */
function printed(...lines) {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', lines.join('\n')], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

test('a host may use koffi as well', { skip: backend !== 'koffi' }, () => {
  assert.equal(printed(LOAD, USE_KOFFI, OPEN), 'fine');
  assert.equal(printed(`${KOFFI}.config({ async_stack_size: 1 << 20 });`, USE_KOFFI, LOAD, OPEN), 'fine');
  // With the stack that koffi takes by itself a call might run out of it, which ends the process.
  const refused = printed(USE_KOFFI, LOAD, OPEN);
  assert.match(refused, /^E_UNSUPPORTED koffi: .*load libotp first, or call koffi\.config\(/);
  assert.equal(refused.split('\n').length, 1);
});

test('an async clock that fails is replaced, and its rejection is no end of the process', () => {
  const config = "{ repository: 'memory:', sender: { type: 'none' } }";
  const create = `Service.open(${config}, { backend: '${backend}', clock: async () => { throw new Error('late'); } })
    .then(async (otp) => { await otp.create('t', { messengerId: '1' }); await otp.close(); console.log('fine'); });`;
  assert.equal(printed(LOAD, create), 'fine');
});

test('ffi-napi calls back on the event loop alone', { skip: backend !== 'ffi-napi' }, async () => {
  const config = { repository: 'memory:', sender: { type: 'none' } };
  const stacks = [];
  const otp = await Service.open(config, { backend, logger: () => stacks.push(new Error('here').stack) });
  await Promise.all(Array.from({ length: 20 }, (_, i) => otp.create(`t${i}`, { messengerId: String(i) })));
  await otp.close();
  assert.equal(stacks.length, 20);
  // A call on another thread has none of this package below its callback.
  for (const stack of stacks) assert.match(stack, /#callHere/);
  const driven = Service.open({ ...config, background: true }, { backend, clock: () => Date.now() });
  await assert.rejects(driven, (error) => error.code === 'E_UNSUPPORTED' && error.message.startsWith('background: '));
});
