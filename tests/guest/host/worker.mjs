// A host in Node that uses better-sqlite3: the commands of worker.c, except a copy of the library and fork.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker, isMainThread, workerData } from 'node:worker_threads';

/** One use of the host's own SQLite. */
function useSqlite(Database, database, what) {
  if (what === 'files') {
    for (const suffix of ['', '-wal', '-shm', '-lock']) {
      try {
        readFileSync(database + suffix);
      } catch (error) {
        if (error.code !== 'ENOENT') throw error;
      }
    }
    return 'done';
  }
  const connection = new Database(database);
  try {
    if (what === 'backup') return connection.serialize().length > 0 ? 'done' : 'failed: empty';
    const row = connection.prepare(what).raw().get();
    return row === undefined ? 'done' : String(row.at(-1));
  } catch (error) {
    return `failed: ${error.message}`;
  } finally {
    connection.close();
  }
}

/** Uses SQLite over and over in a thread of its own. */
function makeNoise({ modules, database, stop }) {
  const Database = createRequire(modules)('better-sqlite3');
  const flag = new Int32Array(stop);
  while (Atomics.load(flag, 0) === 0) {
    for (const use of ['SELECT count(*) FROM item', 'files', 'backup']) useSqlite(Database, database, use);
  }
}

async function told(call) {
  try {
    return await call();
  } catch (error) {
    if (error.result === undefined) throw error;
    return `${error.result} ${error.message}`;
  }
}

async function main() {
  const [folder, modules, config, database] = process.argv.slice(2);
  const { Service } = await import(pathToFileURL(path.join(folder, 'index.mjs')));
  const Database = createRequire(modules)('better-sqlite3');
  const slots = new Map();
  let noise;

  async function setNoise(on) {
    if (on && !noise) {
      const stop = new SharedArrayBuffer(4);
      const thread = new Worker(fileURLToPath(import.meta.url), { workerData: { modules, database, stop } });
      noise = { stop: new Int32Array(stop), ended: new Promise((resolve) => thread.on('exit', resolve)) };
    } else if (!on && noise) {
      Atomics.store(noise.stop, 0, 1);
      await noise.ended;
      noise = undefined;
    }
    return 'done';
  }

  const commands = {
    noise: (number) => setNoise(number === 1),
    open: async (number) => {
      slots.set(number, await Service.open(JSON.parse(config)));
      return 'OK';
    },
    close: async (number) => {
      await slots.get(number).close();
      return 'OK';
    },
    create: async (number, token) => `OK ${(await slots.get(number).create(token)).code}`,
    verify: async (number, token, code) => (await slots.get(number).check(token, code)).result,
    status: async (number, token) => {
      await slots.get(number).status(token);
      return 'OK';
    },
  };

  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, first, ...words] = line.split(' ');
    if (command === 'sqlite') console.log(useSqlite(Database, database, line.slice('sqlite '.length)));
    else console.log(await told(() => commands[command](Number(first), ...words)));
  }
  await setNoise(false);
}

if (isMainThread) await main();
else makeNoise(workerData);
