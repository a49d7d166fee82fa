'use strict';

/** The results of otp.h by their names without `OTP_`: a test compares the two. */
const RESULTS = Object.freeze({
  OK: 0,
  NOT_VALID: 1,
  CHECKED: 2,
  EXPIRED: 3,
  LOCKED: 4,
  RATE_LIMITED: 5,
  CANCELLED: 6,
  REFUSED: 7,
  UNKNOWN: 8,
  E_ARGUMENT: -1,
  E_CONFIG: -2,
  E_STORE: -3,
  E_BUSY: -4,
  E_SEND: -5,
  E_IN_DOUBT: -6,
  E_SIGNATURE: -7,
  E_UNSIGNED: -8,
  E_RANDOM: -9,
  E_UNSUPPORTED: -10,
  E_INTERNAL: -11,
});

const { OK } = RESULTS;
const NAMES = new Map(Object.entries(RESULTS).map(([name, number]) => [number, name]));

/** The name of a number; a newer library may know more, and none of those is OK. */
function resultName(number) {
  return NAMES.get(number) ?? 'UNKNOWN_RESULT';
}

/** The number of a name: of one that is not known, a number that no result has. */
function resultNumber(name) {
  return Object.hasOwn(RESULTS, name) ? RESULTS[name] : 1 << 30;
}

module.exports = { RESULTS, OK, resultName, resultNumber };
