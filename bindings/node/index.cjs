'use strict';

const { fromReply: _internal, ...errors } = require('./lib/errors.cjs');
const { anyNative } = require('./lib/native.cjs');
const { resultNumber } = require('./lib/results.cjs');
const { Service } = require('./lib/service.cjs');

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
