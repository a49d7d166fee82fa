'use strict';

const { Counter, Gauge, register } = require('prom-client');

const STORE = {
  operations: 'Transactions and reads of the repository.',
  microseconds: 'How long they took, waiting for others included.',
  busy: 'Those that came to OTP_E_BUSY.',
  failed: 'Those that the repository failed, or a row that is damaged.',
};

/** Each metric: its name, what it means, its labels, and its samples in what the service tells, as `[labels, value]`. */
const METRICS = [
  counter('otp_calls_total', 'Calls, by what they came to.', ['call', 'result'], (told) =>
    nested(told.calls, 'call', 'result'),
  ),
  counter('otp_send_total', 'Messages, by what came of them.', ['sender', 'outcome'], (told) =>
    nested(told.send, 'sender', 'outcome'),
  ),
  counter('otp_reports_total', 'Reports, by what they said.', ['status'], (told) => flat(told.reports, 'status')),
  ...Object.entries(STORE).map(([name, help]) =>
    counter(`otp_store_${name}_total`, help, [], (told) => [[{}, told.store?.[name] ?? 0]]),
  ),
  gauge('otp_live', 'Codes that were good in the last full round.', (told) => told.live),
  gauge('otp_due', 'Timed steps that the last full round found due.', (told) => told.due),
];

function counter(name, help, labelNames, samples) {
  return { Kind: Counter, set: 'inc', name, help, labelNames, samples };
}

/** A gauge has no sample until it is known. */
function gauge(name, help, value) {
  const samples = (told) => (value(told) === undefined ? [] : [[{}, value(told)]]);
  return { Kind: Gauge, set: 'set', name, help, labelNames: [], samples };
}

function flat(counts = {}, label) {
  return Object.entries(counts).map(([name, count]) => [{ [label]: name }, count]);
}

function nested(groups = {}, outer, inner) {
  return Object.entries(groups).flatMap(([group, counts]) =>
    flat(counts, inner).map(([labels, count]) => [{ [outer]: group, ...labels }, count]),
  );
}

/** See metrics.d.cts. */
function collectMetrics(service, registry = register) {
  let reading;
  // All metrics of a scrape ask at once, and are of one reading.
  const read = () => {
    reading ??= service.metrics().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  for (const { Kind, set, name, help, labelNames, samples } of METRICS) {
    const collect = async function collect() {
      const told = await read();
      // The library has counted: nothing is added to the last reading, and no sample is left that is told no more.
      this.reset();
      if (labelNames.length === 0) this.remove();
      for (const [labels, value] of samples(told)) this[set](labels, value);
    };
    new Kind({ name, help, labelNames, registers: [registry], collect });
  }
  return () => METRICS.forEach(({ name }) => registry.removeSingleMetric(name));
}

module.exports = { collectMetrics };
