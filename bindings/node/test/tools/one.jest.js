// Each file of Jest, and each reset, loads the package anew in one process.
const { once, load } = require('./program.js');

test('a code is good once', () => once());

test('after a reset as well', async () => {
  const before = load();
  jest.resetModules();
  const again = require('./program.js');
  expect(again.load()).not.toBe(before);
  await again.once();
});
