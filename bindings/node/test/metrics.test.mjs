// What a service counts, as the real prom-client shows it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { open, wrong } from './common.mjs';

// Whoever lacks it runs the other tests.
let client, collectMetrics;
try {
  client = createRequire(import.meta.url)('prom-client');
  ({ collectMetrics } = await import('libotp/metrics'));
} catch (error) {
  assert.equal(error.code, 'MODULE_NOT_FOUND');
  assert.ok(process.env.OTP_TEST_ALL !== '1', 'prom-client is missing, and OTP_TEST_ALL=1 needs it');
}
const options = { skip: client === undefined && 'prom-client is not installed' };

const data = (name) => readFileSync(new URL(`../../../tests/data/${name}`, import.meta.url), 'utf8');
const openMetrics = () => new client.Registry(client.Registry.OPENMETRICS_CONTENT_TYPE);

/** Families and samples of a page, in an order of their own. */
const lines = (text) => text.trimEnd().split('\n').sort();

test('a reply is told as the library itself tells it', options, async () => {
  const registry = openMetrics();
  collectMetrics({ metrics: async () => JSON.parse(data('openmetrics.json')) }, registry);
  for (let scrape = 0; scrape < 2; scrape += 1) {
    const text = await registry.metrics();
    assert.deepEqual(lines(text), lines(data('openmetrics.txt')));
    assert.ok(text.endsWith('\n# EOF\n'));
  }
});

test('what is told no more is gone, and a gauge has no sample before it is known', options, async () => {
  const registry = openMetrics();
  const replies = [{}, { live: 1, calls: { verify: { OTP_OK: 2 } } }, { store: { busy: 3 } }];
  collectMetrics({ metrics: async () => replies.shift() }, registry);
  const samples = async () => (await registry.metrics()).split('\n').filter((line) => /^otp.* [1-9]/.test(line));
  assert.doesNotMatch(await registry.metrics(), /^otp_(live|due) /m);
  assert.deepEqual(await samples(), ['otp_calls_total{call="verify",result="OTP_OK"} 2', 'otp_live 1']);
  assert.deepEqual(await samples(), ['otp_store_busy_total 3']);
});

test('a scrape is one reading, also when scrapes overlap', options, async () => {
  const registry = new client.Registry();
  let readings = 0;
  collectMetrics({ metrics: async () => ({ live: (readings += 1), due: readings }) }, registry);
  const scrapes = await Promise.all([registry.metrics(), registry.metrics(), registry.metrics()]);
  assert.equal(readings, 1);
  for (const text of scrapes) assert.match(text, /^otp_live 1$[^]*^otp_due 1$/m);
});

test('a service is counted, until it is taken out of the registry', options, async (t) => {
  const otp = await open(t);
  const registry = new client.Registry();
  const remove = collectMetrics(otp, registry);
  const { code } = await otp.create('session');
  await otp.verify('session', wrong(code));
  await otp.verify('session', code);
  const text = await registry.metrics();
  assert.match(text, /^otp_calls_total\{call="create",result="OTP_OK"\} 1$/m);
  assert.match(text, /^otp_calls_total\{call="verify",result="OTP_NOT_VALID"\} 1$/m);
  assert.throws(() => collectMetrics(otp, registry), /already been registered/);
  remove();
  await otp.close();
  assert.equal((await registry.metrics()).trim(), '');
  collectMetrics(otp, registry);
  await assert.rejects(registry.metrics(), { code: 'E_ARGUMENT' });
});

test('without a registry it is that of the process', options, async (t) => {
  const remove = collectMetrics(await open(t));
  assert.match(await client.register.metrics(), /^otp_store_operations_total /m);
  remove();
  assert.doesNotMatch(await client.register.metrics(), /otp_/);
});
