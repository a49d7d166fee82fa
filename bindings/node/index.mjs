// The same module as `require('libotp')`, so that both ways share their classes.
import libotp from './index.cjs';

export const {
  Service,
  version,
  resultMessage,
  resultHttpStatus,
  OtpError,
  Refused,
  ArgumentError,
  ConfigError,
  StoreError,
  BusyError,
  SendError,
  SignatureError,
  UnsignedError,
  RandomError,
  UnsupportedError,
  InternalError,
  NotSent,
} = libotp;
