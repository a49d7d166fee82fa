// Four processes on one repository: of all that verify a code at once, one is told yes. `npm install` here, then
// `node cluster.js`. Each process opens its own service.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Service } from 'libotp';

const PROCESSES = 4;

async function primary() {
  const folder = mkdtempSync(path.join(tmpdir(), 'otp-'));
  const config = { repository: `sqlite:${path.join(folder, 'otp.db')}`, sender: { type: 'none' } };
  const workers = Array.from({ length: PROCESSES }, () => cluster.fork());
  const ends = workers.map((worker) => once(worker, 'exit'));
  const ready = workers.map((worker) => once(worker, 'message'));
  const otp = await Service.open(config);
  const { code } = await otp.create('session 1', { phoneNumber: '393331234567' });
  await Promise.all(ready);
  const answers = workers.map((worker) => once(worker, 'message'));
  for (const worker of workers) worker.send({ config, code });
  const results = (await Promise.all(answers)).map(([answer]) => answer);
  console.log(`${results.filter((yes) => yes === true).length} of ${PROCESSES} processes let someone in`);
  await Promise.all(ends);
  await otp.close();
  rmSync(folder, { recursive: true });
}

async function worker() {
  process.send('ready');
  const [{ config, code }] = await once(process, 'message');
  const otp = await Service.open(config);
  const yes = await otp.verify('session 1', code);
  await otp.close();
  process.send(yes, () => process.disconnect());
}

await (cluster.isPrimary ? primary() : worker());
