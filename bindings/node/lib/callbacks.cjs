'use strict';

// The host's logger and clock, as functions that C may call: they return what is due and never throw.

/** Tells of an error in a callback once for each, as a warning of the process: C cannot be told. */
function reporter(name) {
  let told = false;
  return (error) => {
    if (told) return;
    told = true;
    const cause = error instanceof Error ? error.message : 'it returned something else than a number';
    process.emitWarning(`libotp: ${name}: ${cause}`, { type: 'LibotpWarning', code: `LIBOTP_${name.toUpperCase()}` });
  };
}

/** `logger` as an otp_log_fn. An event that cannot be logged is dropped. */
function logCallback(logger) {
  const report = reporter('logger');
  return (_userData, _level, event) => {
    try {
      const answer = logger(JSON.parse(event));
      // An async logger's rejection is nobody's otherwise, and would end the process.
      if (typeof answer?.then === 'function') answer.then(undefined, report);
    } catch (error) {
      report(error);
    }
  };
}

/** `clock` as an otp_clock_fn. One that throws, or tells no time, is replaced by the system's for that reading. */
function clockCallback(clock) {
  const report = reporter('clock');
  return (_userData) => {
    try {
      const time = clock();
      if (typeof time === 'number' && Number.isFinite(time)) return Math.min(Math.max(Math.trunc(time), -8.64e15), 8.64e15);
      report(undefined);
      // An async clock's rejection is nobody's otherwise, and would end the process.
      if (typeof time?.then === 'function') time.then(undefined, () => {});
    } catch (error) {
      report(error);
    }
    return Date.now();
  };
}

module.exports = { logCallback, clockCallback };
