// How processes and worker threads end while calls are under way.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { backend, folder, isNode, open, size } from './common.mjs';

/** Calls without end, over a logger and a clock; `after` is what happens then. */
const program = (after) => `
  import { Service } from ${JSON.stringify(new URL('../index.mjs', import.meta.url).href)};
  const config = { repository: 'memory:', sender: { type: 'none' }, policy: { sendLimits: [], cooldownSeconds: 0 } };
  const options = { backend: ${JSON.stringify(backend)}, clock: () => Date.now(), logger: () => {}, logLevel: 4 };
  const otp = await Service.open(config, options);
  process.on('exit', () => process.stdout.write('the last listener'));
  const go = async (token) => {
    for (;;) await otp.create(token, { messengerId: token });
  };
  for (let i = 0; i < 100; i += 1) go(String(i));
  setTimeout(() => { ${after} }, 5 + 40 * Math.random());
`;

/** Runs a program; its exit status and output. Who hangs is stopped by the caller's limit of time. */
async function run(t, text) {
  // A file: not every runtime takes a module as a parameter.
  const file = path.join(folder(t), 'program.mjs');
  writeFileSync(file, text);
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'ignore'] });
  let out = '';
  child.stdout.on('data', (data) => (out += data));
  const killer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [status, signal] = await once(child, 'close');
  clearTimeout(killer);
  return [status ?? signal, out];
}

/** What a worker thread posts first. */
function answer(worker) {
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}

test('a process ends with its own status and listeners', async (t) => {
  const ends = { 'process.exit(7)': 7, 'process.exitCode = 8; process.exit()': 8, 'throw new Error("x")': 1 };
  for (const [end, status] of Object.entries(ends)) {
    // Deno tells no listener of the end by an error.
    const said = process.versions.deno !== undefined && end.startsWith('throw') ? '' : 'the last listener';
    for (let round = 0; round < size(3, 30); round += 1) {
      assert.deepEqual(await run(t, program(end)), [status, said], end);
    }
  }
});

test('a process with an idle, open service ends by itself', async (t) => {
  const idle = program('').replace(/for \(let i.*\n/, "await otp.create('t', { messengerId: '1' });\n");
  assert.deepEqual(await run(t, idle), [0, 'the last listener']);
});

test('worker threads that close their service may be stopped', { skip: backend !== 'koffi' }, async () => {
  for (let round = 0; round < size(3, 50); round += 1) {
    const use = `
      const { code } = await otp.create('t', { messengerId: '1' });
      const good = await otp.verify('t', code);
      await otp.close();
      const { parentPort } = await import('node:worker_threads');
      parentPort.postMessage(good);`;
    const text = program('').replace(/process.on[^]*$/, use);
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`));
    assert.equal(await answer(worker), true);
    await worker.terminate();
  }
});

// Bun and Deno do not wait for the calls of a thread that is stopped: they free memory in use, whatever the addon.
test('worker threads have services and may be stopped at any time', { skip: backend !== 'koffi' || !isNode }, async () => {
  for (let round = 0; round < size(5, 200); round += 1) {
    const text = program('').replace(/setTimeout[^]*$/, "const { parentPort } = await import('node:worker_threads');\nparentPort.postMessage(1);");
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`));
    await once(worker, 'message');
    await new Promise((resolve) => setTimeout(resolve, 20 * Math.random()));
    await worker.terminate();
  }
});

test('ffi-napi refuses worker threads', { skip: backend !== 'ffi-napi' }, async () => {
  const text = program('').replace(/process.on[^]*$/, '');
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`));
  const [error] = await once(worker, 'error');
  assert.match(error.message, /worker threads/);
});

test('a call that fails leaves its place to others', async (t) => {
  const otp = await open(t);
  const calls = Array.from({ length: 500 }, (_, i) => (i % 2 ? otp.status('nobody') : otp.create('t', { messengerId: 'x'.repeat(99) })));
  const answers = await Promise.allSettled(calls);
  assert.ok(answers.every(({ status }) => status === 'rejected'));
  assert.equal((await otp.runDue()).ran, 0);
});
