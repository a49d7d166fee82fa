'use strict';

const { fromReply: _internal, ...errors } = require('./lib/errors.cjs');
const { anyNative } = require('./lib/native.cjs');
const { resultNumber } = require('./lib/results.cjs');
const { Service } = require('./lib/service.cjs');

try {
  // Settings of koffi's are fixed once anybody has loaded a library with it, such as the host after this line.
  require('./lib/koffi.cjs');
} catch {
  // Whoever opens a service over koffi is told. Others do without.
}

function version() {
  return anyNative().version;
}

function resultMessage(result) {
  return anyNative().message(resultNumber(result));
}

function resultHttpStatus(result) {
  return anyNative().httpStatus(resultNumber(result));
}

module.exports = { Service, version, resultMessage, resultHttpStatus, ...errors };
