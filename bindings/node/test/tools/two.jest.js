const { once } = require('./program.js');

test('a code is good once in a second file', () => once());
