// Runs tests/vectors/*.json: every language answers the same. Their README tells what the members mean.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { OtpError, Service, resultMessage } from 'libotp';
import { backend, folder } from './common.mjs';

const VECTORS = fileURLToPath(new URL('../../../tests/vectors', import.meta.url));
const BEGINNING_MS = 1700000000000;

/** Functions of C alone. */
const HELPERS = ['reply_text', 'reply_integer', 'request_text', 'result_name', 'result_message', 'result_http_status'];

const CALLS = {
  create: (otp, { token, request }) => otp.create(token, request),
  resend: (otp, { token }) => otp.resend(token),
  verify: (otp, { token, code, context }) => otp.check(token, code, context),
  cancel: (otp, { token }) => otp.cancel(token),
  status: (otp, { token }) => otp.status(token),
  webhook: (otp, { authorization, body }) => otp.webhook(authorization, body ?? ''),
  report: (otp, { report }) => otp.report(report),
  run_due: (otp) => otp.runDue(),
  metrics: (otp) => otp.metrics(),
  unlock: (otp, { subject }) => otp.unlock(subject),
  erase: (otp, { recipient }) => otp.erase(recipient),
};

/** `value` with what was captured in the place of the names. */
function fill(value, names) {
  if (Array.isArray(value)) return value.map((item) => fill(item, names));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fill(item, names)]));
  }
  if (typeof value !== 'string') return value;
  return value.replace(/\$\{(\w+)(\+1)?\}/g, (_all, name, next) => {
    const text = names.get(name);
    assert.notEqual(text, undefined, `nothing is captured as ${name}`);
    return next ? text.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10)) : text;
  });
}

const find = (reply, field) => field.split('.').reduce((value, name) => value?.[name], reply);

class Runner {
  #otp;
  #now = BEGINNING_MS;
  #names;

  constructor(repository) {
    this.#names = new Map([['repository', repository]]);
  }

  async run({ config, steps }) {
    try {
      if (config !== undefined) await this.#open(fill(config, this.#names));
      for (const [number, step] of steps.entries()) {
        if (HELPERS.includes(step.call)) continue;
        try {
          await this.#step(step);
        } catch (error) {
          error.message = `step ${number}, ${step.call}: ${error.message}`;
          throw error;
        }
      }
    } finally {
      await this.#otp?.close();
    }
  }

  async #open(config) {
    await this.#otp?.close();
    this.#otp = undefined;
    this.#otp = await Service.open(config, { backend, clock: () => this.#now });
    return { warnings: this.#otp.warnings };
  }

  /** The result of a call, and its reply as C would have it. */
  async #call({ call, arguments: given = {} }) {
    const values = fill(given, this.#names);
    try {
      const reply = call === 'open' ? await this.#open(values.config) : await CALLS[call](this.#otp, values);
      const result = reply?.result ?? 'OK';
      return { result, reply: { ...(result !== 'OK' && { message: resultMessage(result) }), ...reply } };
    } catch (error) {
      if (!(error instanceof OtpError)) throw error;
      // The `code` of an error is its name, as in Node's own; that of a reply is the one to send.
      const { code, result, ...members } = error;
      assert.equal(code, result);
      return { result, reply: { ...members, message: error.message } };
    }
  }

  async #step(step) {
    this.#now = step.clock ?? this.#now;
    const { result, reply } = await this.#call(step);
    for (const [name, field] of Object.entries(step.capture ?? {})) this.#names.set(name, String(find(reply, field)));
    const { reply: fields = {}, present = [], absent = [], contains = {}, length = {} } = fill(step.expect, this.#names);
    assert.equal(result, step.expect.result, reply.message);
    assert.equal('message' in reply, result !== 'OK');
    for (const [field, value] of Object.entries(fields)) assert.strictEqual(find(reply, field), value, field);
    for (const field of present) assert.notEqual(find(reply, field) ?? undefined, undefined, field);
    for (const field of absent) assert.strictEqual(find(reply, field), undefined, field);
    for (const [field, part] of Object.entries(contains)) assert.ok(String(find(reply, field)).includes(part), field);
    for (const [field, bytes] of Object.entries(length)) assert.equal(Buffer.byteLength(find(reply, field)), bytes, field);
  }
}

const scenarios = readdirSync(VECTORS)
  .filter((name) => name.endsWith('.json'))
  .flatMap((name) => JSON.parse(readFileSync(path.join(VECTORS, name), 'utf8')));

for (const repository of ['memory', 'sqlite', 'json']) {
  test(`the vectors on ${repository}`, async (t) => {
    const root = folder(t);
    let steps = 0;
    for (const [number, scenario] of scenarios.entries()) {
      // An async sender runs over sender type `none`, and is another thing than sender `host`.
      if (scenario.sender === 'host' || !(scenario.repositories ?? [repository]).includes(repository)) continue;
      const where = { memory: '', sqlite: `${root}/${number}.db`, json: `${root}/${number}` }[repository];
      try {
        await new Runner(`${repository}:${where}`).run(scenario);
      } catch (error) {
        error.message = `${scenario.name}: ${error.message}`;
        throw error;
      }
      steps += scenario.steps.length;
    }
    assert.ok(steps >= 200, `${steps} steps`);
  });
}
