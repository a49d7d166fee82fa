'use strict';

// What the package costs: a synchronous call over the C call, calls of a service one after the other and 64 at once,
// and how long the event loop stands still while codes are created. `npm run benchmark` sets the pool's size. The same
// calls from C are measured in turns with them, where there is a compiler; of several rounds the best counts, so that
// neighbours on the machine count little.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { monitorEventLoopDelay, performance } = require('node:perf_hooks');

/** All that the package uses, and the one that it leaves to the host. */
const POOL_THREADS = 33;
const ROUNDS = 5;
const backend = process.argv[2] ?? 'koffi';

if (process.env.UV_THREADPOOL_SIZE === undefined) {
  // The pool has its size from the start of the process.
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(POOL_THREADS) };
  process.exit(spawnSync(process.execPath, process.argv.slice(1), { env, stdio: 'inherit' }).status ?? 1);
}

const { Service } = require('..');
const library = require('../lib/library.cjs');
const { REPLY_SIZE } = require('../lib/prototypes.cjs');

const MEMORY = '{"repository": "memory:", "sender": {"type": "none"}}';

function print(what, value, unit) {
  process.stdout.write(`${what.padEnd(64)} ${value.toFixed(2).padStart(10)} ${unit}\n`);
}

/** Microseconds of one `call`, of several loops the best, as in C. */
function microseconds(call) {
  const count = backend === 'koffi' ? 20_000 : 1_000;
  let best = Infinity;
  for (let loop = 0; loop < 5; loop += 1) {
    const start = performance.now();
    for (let i = 0; i < count; i += 1) call();
    best = Math.min(best, ((performance.now() - start) * 1000) / count);
  }
  return best;
}

/** Builds the same loops in C; a function that runs them on a repository of its own. Undefined without a compiler. */
function inC(folder) {
  const program = path.join(folder, 'calls');
  const built = spawnSync('cc', ['-O2', '-o', program, path.join(__dirname, 'calls.c'), '-ldl', '-lpthread'], { stdio: 'inherit' });
  if (built.status !== 0) return undefined;
  return (round) => {
    const { stdout } = spawnSync(program, [library.find(), `sqlite:${folder}/c${round}.db`], { encoding: 'utf8' });
    return JSON.parse(stdout);
  };
}

/** The synchronous calls: what each is, and how it is made. */
function synchronous() {
  const implementation = require(`../lib/${backend}.cjs`);
  const functions = implementation.load(library.find());
  const [service, reply] = [Buffer.alloc(8), Buffer.alloc(REPLY_SIZE)];
  functions.otp_open.call(MEMORY, service, reply, REPLY_SIZE);
  const handle = implementation.address(service);
  return {
    httpStatus: ['otp_result_http_status', () => functions.otp_result_http_status.call(3)],
    verify: [
      'otp_verify_context, unknown token, memory:',
      () => functions.otp_verify_context.call(handle, 'nobody', '123456', null, reply, REPLY_SIZE),
    ],
  };
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

/** Calls that touch no disk. */
async function asynchronous() {
  const memory = await Service.open(MEMORY, { backend });
  const check = () => memory.check('nobody', '123456');
  await throughput(2_000, 64, check);
  print('check, unknown token, memory:, one after the other', 1e6 / (await throughput(5_000, 1, check)), 'µs');
  print('check, unknown token, memory:, 64 in flight', await throughput(20_000, 64, check), 'calls/s');
  await memory.close();
}

/** Creates a second with 64 in flight and full durability, and the longest stall of the event loop meanwhile in ms. */
async function creates(folder, round) {
  const config = { repository: `sqlite:${folder}/node${round}.db`, sender: { type: 'none' } };
  const durable = await Service.open(config, { backend });
  const create = (i) => durable.create(`t${i}`, { messengerId: String(i) });
  await throughput(200, 64, create);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const rate = await throughput(5_000, 64, (i) => create(i + 1_000_000));
  delay.disable();
  await durable.close();
  return { rate, stall: delay.max / 1e6 };
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'libotp-'));
  try {
    process.stdout.write(`backend ${backend}, Node ${process.version}, ${os.cpus().length} processors\n`);
    const [run, calls] = [inC(folder), synchronous()];
    const [c, here, rounds] = [[], { httpStatus: [], verify: [] }, []];
    for (let round = 0; round < ROUNDS; round += 1) {
      if (run) c.push(run(round));
      for (const name of Object.keys(calls)) here[name].push(microseconds(calls[name][1]));
      rounds.push(await creates(folder, round));
    }
    for (const [name, [what]] of Object.entries(calls)) {
      const best = Math.min(...here[name]);
      print(`${what}: synchronous`, best, 'µs');
      if (!run) continue;
      const bestInC = Math.min(...c.map((times) => times[name]));
      print('  the same from C', bestInC, 'µs');
      print('  overhead', best - bestInC, 'µs');
    }
    await asynchronous();
    const rate = Math.max(...rounds.map((round) => round.rate));
    print('create, sqlite:, durability full, 64 in flight', rate, 'calls/s');
    if (run) {
      const rateInC = Math.max(...c.map((times) => times.create));
      print('  the same from C with 64 threads', rateInC, 'calls/s');
      print('  share', (100 * rate) / rateInC, '%');
    }
    const stalls = rounds.map((round) => round.stall);
    print('longest stall of the event loop meanwhile, in the best round', Math.min(...stalls), 'ms');
    print('  in the worst', Math.max(...stalls), 'ms');
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

main();
