// The tutorial's HTTP service over libotp: `npm install && npm start`. The code is printed to standard error, for
// development; a configuration names a sender that delivers. Standard output is the log: one event a line, in JSON. The
// variables:
//
// * OTP_CONFIG: the configuration of libotp, as JSON (it begins with `{`) or as the path of a JSON file. Without it
//   `nexmo.json` is read, where there is one.
// * PORT: 3000 unless set; 0 takes any free one.
// * HOST: 127.0.0.1 unless set. Whoever reaches this service chooses token and recipient, and so receives the token's
//   code: it belongs behind your own application, not on the open network.
// * METRICS_PORT: where `/metrics`, `/healthz` and `/readyz` are answered, apart from clients. Off unless set, so that a
//   second service on the machine needs no thought.
// * METRICS_HOST: 127.0.0.1 unless set.
import { once } from 'node:events';
import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Service } from 'libotp';
import { createApp, MEMBERS } from './app.js';
import { INFO, WARNING, log, logFailure, write } from './log.js';
import { createProbeServer } from './probes.js';
import { openReadiness } from './ready.js';

const LOOPBACK = '127.0.0.1';

/** How long a client may take for the head of a request, and for the whole of it. */
const HEAD_MS = 10_000;
const REQUEST_MS = 20_000;

/** How long running requests may take to finish once the service is to stop. */
const FAREWELL_MS = 25_000;

/** How often due steps of deliveries are looked for. */
const UPKEEP_MS = 1_000;

/** Longest file that is taken for a configuration. */
const CONFIG_BYTES = 64 * 1024;

function configuration() {
  const value = process.env.OTP_CONFIG ?? (existsSync('nexmo.json') ? 'nexmo.json' : '{}');
  if (value.trimStart().startsWith('{')) return accepting(value);
  try {
    return accepting(readRegular(value));
  } catch (cause) {
    // The value is not repeated: it might be mistyped JSON with a secret in it.
    throw new Error(`OTP_CONFIG: neither a JSON object nor a file that can be read: ${cause.code ?? cause.message}`);
  }
}

/** Adds what the service accepts, unless the configuration says it: to the text, in which libotp sees repetition. */
function accepting(config) {
  const text = config.replace(/^\ufeff/, '');
  let members;
  try {
    members = JSON.parse(text);
  } catch {
    // libotp says what is wrong with it.
    return text;
  }
  if (typeof members !== 'object' || members === null || Array.isArray(members) || 'accept' in members) return text;
  const comma = Object.keys(members).length > 0 ? ', ' : '';
  return text.replace('{', () => `{"accept": ${JSON.stringify(MEMBERS)}${comma}`);
}

/** Reads a file that is one: a pipe is not waited for, and what does not end is not read. */
function readRegular(path) {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile() || stat.size > CONFIG_BYTES) throw new Error('not a regular file of at most 64 KiB');
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function handsOver(config) {
  try {
    return JSON.parse(config)?.sender?.type === 'none';
  } catch {
    // libotp says what is wrong with it.
    return false;
  }
}

async function open(config) {
  if (handsOver(config)) throw new Error('sender: none leaves delivery to the host, but nobody delivers here');
  const otp = await Service.open(config, { logger: write });
  for (const warning of otp.warnings) log(WARNING, 'warning', { result: 'OTP_OK', message: warning });
  return otp;
}

/** Does what is due, again and again: one round at a time, however long it takes. */
function keepUp(otp) {
  let timer;
  const round = async () => {
    try {
      await otp.runDue();
    } catch (error) {
      logFailure(error);
    }
    if (timer !== undefined) timer = setTimeout(round, UPKEEP_MS);
  };
  timer = setTimeout(round, UPKEEP_MS);
  return () => {
    clearTimeout(timer);
    timer = undefined;
  };
}

/** The port of a variable; undefined unless that is set. */
function portOf(name) {
  const value = process.env[name];
  if (value === undefined) return undefined;
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65535) throw new Error(`${name}: must be a number to 65535`);
  return Number(value);
}

/** Listens on the host of a variable, and tells of it in this sentence. */
async function listen(server, port, variable, sentence) {
  const host = process.env[variable] ?? LOOPBACK;
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new Error(`${host}:${port}: ${error.code ?? error.message}`);
  }
  server.on('error', (error) => log(WARNING, 'accept', { message: error.code ?? error.name }));
  const address = server.address();
  const message = `${sentence} on port ${address.port}`;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  log(INFO, 'listening', { address: `${name}:${address.port}`, message });
  return message;
}

async function main() {
  const [port = 3000, metricsPort] = ['PORT', 'METRICS_PORT'].map(portOf);
  const config = configuration();
  const otp = await open(config);
  const readiness = await openReadiness(config);
  const probes = metricsPort === undefined ? undefined : createProbeServer(otp, readiness.isReady);
  const server = createServer({ headersTimeout: HEAD_MS, requestTimeout: REQUEST_MS }, createApp(otp, readiness.isReady));
  const rest = keepUp(otp);
  const stop = () => {
    log(INFO, 'stopping');
    rest();
    readiness.stop();
    setTimeout(() => server.closeAllConnections(), FAREWELL_MS).unref();
    server.close(async () => {
      probes?.close();
      probes?.closeAllConnections();
      await Promise.all([otp.close(), readiness.close()]);
    });
    server.closeIdleConnections();
  };
  // A second one ends the process at once: whoever asks twice does not want to wait.
  process.once('SIGTERM', stop).once('SIGINT', stop);
  if (probes !== undefined) await listen(probes, metricsPort, 'METRICS_HOST', 'Metrics');
  process.stderr.write(`${await listen(server, port, 'HOST', 'Server running')}\n`);
}

main().catch((error) => {
  process.stderr.write(`otp-service: ${error.message}\n`);
  process.exit(1);
});
