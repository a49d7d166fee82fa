// Bundled, and run twice in one process: beside the package, and beside another copy of itself.
const { once } = require('./program.js');

once().then(() => console.log('good once'), (error) => {
  console.error(error);
  process.exitCode = 1;
});
