// The log: one event a line, in JSON, on standard output, and nothing else there. The library's events come as they are,
// and the service's own have the same form. What people read is on standard error.

/** Levels, as the library has them. */
export const ERROR = 1;
export const WARNING = 2;
export const INFO = 3;

// A log that nobody reads any more is no reason to fail.
process.stdout.on('error', () => {});

/** Writes an event of the library. */
export function write(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** Writes an event of the service, with its own members. */
export function log(level, event, members) {
  write({ time: new Date().toISOString(), level, event, ...members });
}

/** Writes that a call of the library failed. Its message holds no secret. */
export function logFailure(error) {
  log(ERROR, 'failure', { result: `OTP_${error.result}`, message: error.message });
}
