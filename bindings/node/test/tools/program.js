// What the tools run: a program that uses the package, with a logger, whose type the engine keeps for the process.
const assert = require('node:assert');

const load = () => require('../../index.cjs');

async function once() {
  const { Service } = load();
  const events = [];
  const options = { logger: (event) => events.push(event.event) };
  const otp = await Service.open({ repository: 'memory:', sender: { type: 'none' } }, options);
  const { code } = await otp.create('session', { phoneNumber: '+39 333 123 4567' });
  assert.equal(await otp.verify('session', code), true);
  assert.equal(await otp.verify('session', code), false);
  await otp.close();
  assert.deepEqual(events, ['create', 'verify', 'verify']);
}

module.exports = { load, once };
