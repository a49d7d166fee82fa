// A server of the examples as a process: its address, what it prints, and its end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

const LISTENING = 'Server running on port ';

/** Starts `file` in a folder of its own with these `files`, until the end of the test `t`. */
export async function start(t, file, environment = {}, files = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'otp-'));
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(folder, name), content);
  const env = { ...process.env, PORT: '0', ...environment };
  for (const name of ['OTP_CONFIG', 'HOST', 'METRICS_HOST', 'METRICS_PORT']) if (!(name in environment)) delete env[name];
  const child = spawn(process.execPath, [file], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const server = { child, out: [], err: [], folder, ended: once(child, 'close') };
  for (const [input, lines] of [[child.stdout, server.out], [child.stderr, server.err]]) {
    createInterface({ input }).on('line', (line) => lines.push(line));
  }
  t.after(async () => {
    await stop(server);
    rmSync(folder, { recursive: true, force: true });
  });
  // The services say it on standard error, and the log has it as well.
  const listening = () => [...server.out, ...server.err].find((line) => line.startsWith(LISTENING));
  await until(() => listening() ?? (child.exitCode === null ? undefined : 'ended'));
  server.port = Number(listening()?.slice(LISTENING.length));
  return server;
}

/** Stops a server as a supervisor does; its exit status. */
export async function stop(server) {
  if (server.child.exitCode === null && server.child.signalCode === null) server.child.kill('SIGTERM');
  const [status] = await server.ended;
  return status;
}

/** Asks a server: `{ status, text, headers }`. */
export async function ask(server, target, { method = 'GET', body, headers } = {}) {
  const response = await fetch(`http://127.0.0.1:${server.port}${target}`, { method, body, headers });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** Waits until `found()` has something. */
export async function until(found) {
  for (;;) {
    const value = found();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
