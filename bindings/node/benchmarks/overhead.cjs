'use strict';

// What the package costs: a synchronous call over the C call, calls of a service one after the other and 64 at once,
// and how long the event loop stands still while codes are created. `npm run benchmark` sets the pool's size. The same
// calls from C are measured beside it, where there is a compiler.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { monitorEventLoopDelay, performance } = require('node:perf_hooks');

/** All that the package uses, and the one that it leaves to the host. */
const POOL_THREADS = 33;
const backend = process.argv[2] ?? 'koffi';

if (process.env.UV_THREADPOOL_SIZE === undefined) {
  // The pool has its size from the start of the process.
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(POOL_THREADS) };
  process.exit(spawnSync(process.execPath, process.argv.slice(1), { env, stdio: 'inherit' }).status ?? 1);
}

const { Service } = require('..');
const library = require('../lib/library.cjs');
const { PROTOTYPES, REPLY_SIZE, parse } = require('../lib/prototypes.cjs');

const MEMORY = '{"repository": "memory:", "sender": {"type": "none"}}';

function print(what, value, unit) {
  process.stdout.write(`${what.padEnd(64)} ${value.toFixed(2).padStart(10)} ${unit}\n`);
}

/** Microseconds of one `call`, of several rounds the best. */
function microseconds(count, call) {
  let best = Infinity;
  for (let round = 0; round < 5; round += 1) {
    const start = performance.now();
    for (let i = 0; i < count; i += 1) call();
    best = Math.min(best, ((performance.now() - start) * 1000) / count);
  }
  return best;
}

/** The same loop in C, compiled against the same library: microseconds of a call of each kind. */
function inC(folder) {
  const source = path.join(folder, 'calls.c');
  fs.copyFileSync(path.join(__dirname, 'calls.c'), source);
  const program = path.join(folder, 'calls');
  const built = spawnSync('cc', ['-O2', '-o', program, source, '-ldl', '-lpthread'], { stdio: 'inherit' });
  if (built.status !== 0) return undefined;
  const { stdout } = spawnSync(program, [library.find(), `sqlite:${folder}/c.db`], { encoding: 'utf8' });
  return JSON.parse(stdout);
}

function synchronous(c) {
  const implementation = require(`../lib/${backend}.cjs`);
  const functions = implementation.load(library.find());
  const [service, reply] = [Buffer.alloc(8), Buffer.alloc(REPLY_SIZE)];
  functions.otp_open.call(MEMORY, service, reply, REPLY_SIZE);
  const handle = implementation.address(service);
  const count = backend === 'koffi' ? 20_000 : 1_000;
  const calls = {
    httpStatus: ['otp_result_http_status', () => functions.otp_result_http_status.call(3)],
    verify: [
      'otp_verify_context, unknown token, memory:',
      () => functions.otp_verify_context.call(handle, 'nobody', '123456', null, reply, REPLY_SIZE),
    ],
  };
  for (const [name, [what, call]] of Object.entries(calls)) {
    const here = microseconds(count, call);
    print(`${what}: synchronous`, here, 'µs');
    if (!c) continue;
    print('  the same from C', c[name], 'µs');
    print('  overhead', here - c[name], 'µs');
  }
  functions.otp_close.call(handle);
}

/** Runs `count` calls with `inFlight` at once; calls a second. */
async function throughput(count, inFlight, call) {
  let next = 0;
  const start = performance.now();
  const worker = async () => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (count * 1000) / (performance.now() - start);
}

async function asynchronous(folder, c) {
  const memory = await Service.open(MEMORY, { backend });
  const check = () => memory.check('nobody', '123456');
  await throughput(2_000, 64, check);
  print('check, unknown token, memory:, one after the other', 1e6 / (await throughput(5_000, 1, check)), 'µs');
  print('check, unknown token, memory:, 64 in flight', await throughput(20_000, 64, check), 'calls/s');
  await memory.close();

  const config = { repository: `sqlite:${folder}/node.db`, sender: { type: 'none' } };
  const durable = await Service.open(config, { backend });
  const create = (i) => durable.create(`t${i}`, { messengerId: String(i) });
  await throughput(200, 64, create);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const rate = await throughput(5_000, 64, (i) => create(i + 1_000_000));
  delay.disable();
  print('create, sqlite:, durability full, 64 in flight', rate, 'calls/s');
  if (c) {
    print('  the same from C with 64 threads', c.create, 'calls/s');
    print('  share', (100 * rate) / c.create, '%');
  }
  print('longest stall of the event loop meanwhile', delay.max / 1e6, 'ms');
  await durable.close();
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'libotp-'));
  try {
    const c = inC(folder);
    process.stdout.write(`backend ${backend}, Node ${process.version}, ${os.cpus().length} processors\n`);
    synchronous(c);
    await asynchronous(folder, c);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

main();
