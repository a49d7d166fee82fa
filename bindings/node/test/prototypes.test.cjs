'use strict';

// What the package says of the C interface is what otp.h says.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { ABI_VERSION, REPLY_SIZE, PROTOTYPES, CALLBACKS, parse } = require('../lib/prototypes.cjs');
const { RESULTS } = require('../lib/results.cjs');

const file = process.env.OTP_HEADER ?? path.resolve(__dirname, '../../../include/otp.h');
const header = fs.readFileSync(file, 'utf8').replace(/\/\*[^]*?\*\//g, '');
const declarations = header
  .split(';')
  .map((text) => text.replace(/^#.*$/gm, '').replace(/\bOTP_NODISCARD\b|extern "C" \{|\/\/.*$/gm, '').replace(/\s+/g, ' ').trim());

const defined = (name) => Number(new RegExp(`^#define ${name} \\(?(-?\\d+)\\)?$`, 'm').exec(header)?.[1]);

test('every prototype is in the header', () => {
  assert.ok(PROTOTYPES.length >= 15);
  for (const prototype of PROTOTYPES) assert.ok(declarations.includes(prototype), prototype);
  for (const callback of CALLBACKS) assert.ok(declarations.includes(`typedef ${callback}`), callback);
});

test('every function of a service has a prototype', () => {
  const names = new Set(PROTOTYPES.map((prototype) => parse(prototype).name));
  // `otp_verify_context` is `otp_verify` with one parameter more; a JavaScript sender is no C callback.
  const left = new Set(['otp_verify', 'otp_on_send']);
  const services = declarations.flatMap((text) => /^\w+ (otp_\w+)\(.*otp_service \*/.exec(text)?.[1] ?? []);
  assert.ok(services.length >= 14, services.join());
  assert.deepEqual(services.filter((name) => !names.has(name) && !left.has(name)), []);
});

test('the numbers are those of the header', () => {
  assert.equal(ABI_VERSION, defined('OTP_ABI_VERSION'));
  assert.equal(REPLY_SIZE, defined('OTP_REPLY_SIZE'));
  for (const [name, number] of Object.entries(RESULTS)) assert.equal(number, defined(`OTP_${name}`), name);
  const results = [...header.matchAll(/^#define OTP_(\w+) \(?-?\d+\)?$/gm)].map(([, name]) => name);
  const others = /^(ABI_VERSION|REPLY_SIZE|LOG_\w+)$/;
  assert.deepEqual(results.filter((name) => !others.test(name)).sort(), Object.keys(RESULTS).sort());
});

test('a parameter is passed as its type asks', () => {
  const { returns, parameters } = parse(PROTOTYPES.find((text) => text.includes('otp_webhook')));
  assert.equal(returns, 'int32');
  assert.deepEqual(parameters, ['address', 'text', 'bytes', 'size_t', 'bytes', 'size_t']);
  assert.deepEqual(parse(CALLBACKS[1]), { name: 'otp_clock_fn', returns: 'int64', parameters: ['address'] });
  assert.equal(parse(PROTOTYPES[0]).returns, 'text');
});
