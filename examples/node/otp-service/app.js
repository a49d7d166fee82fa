// The routes: what a request may say and how a result is answered.
import express from 'express';
import { OtpError, resultMessage } from 'libotp';
import { READ, answer, answerNotFound, answerResult, plain, route } from './answer.js';
import { ERROR, log, logFailure } from './log.js';
import { addProbes } from './probes.js';

/** Most bytes of a request's body, and of a webhook's: what libotp takes. */
const REQUEST_BYTES = 16 * 1024;
const WEBHOOK_BYTES = 64 * 1024;

/** All that a client may say. The rest of a request, such as its subject or a code, is for the host to decide. */
export const MEMBERS = ['messengerId', 'phoneNumber'];
const BODY_REFUSED =
  'The body must be a JSON object with messengerId, phoneNumber or both, each a text, and nothing else';

const CODE_REFUSED = 'The body must be a JSON object with code, a text, and nothing else';

/** The Express application over a service; `isReady` tells whether that works. */
export function createApp(otp, isReady) {
  const app = plain(express());

  route(app, READ, '/', (_request, response) => answer(response, 200, 'This is the OTP service'));

  addProbes(app, isReady);

  route(app, ['POST'], '/otp/:token', body(REQUEST_BYTES), async (request, response) => {
    const recipient = recipientOf(request.body);
    if (recipient === undefined) return answer(response, 400, BODY_REFUSED);
    await otp.create(request.params.token, recipient);
    answer(response, 201, 'Created');
  });

  const verify = async (response, token, code) => {
    const { result, retryAfterSeconds } = await otp.check(token, code);
    answerResult(response, result, retryAfterSeconds);
  };
  route(app, ['GET', 'POST'], '/otp/:token/verify', body(REQUEST_BYTES), async (request, response) => {
    const { token } = request.params;
    if (request.method === 'GET') return verify(response, token, 'verify');
    const typed = textsOf(request.body, ['code']);
    if (typed?.members.code === undefined) return answer(response, 400, CODE_REFUSED);
    return verify(response, token, typed.members.code);
  });
  route(app, ['GET'], '/otp/:token/:code', ({ params }, response) => verify(response, params.token, params.code));

  // The body as it came: the signature is over its bytes.
  const webhook = async (request, response) => {
    await otp.webhook(request.get('authorization'), request.body ?? '');
    answerResult(response, 'OK');
  };
  route(app, ['POST'], '/webhooks/message-status', body(WEBHOOK_BYTES), webhook);
  route(app, ['POST'], '/webhooks/inbound-message', body(WEBHOOK_BYTES), webhook);

  app.use(answerNotFound);
  app.use(answerError);
  return app;
}

/** Reads a body whatever its type says; a compressed one is refused. */
function body(limit) {
  return express.raw({ type: () => true, limit, inflate: false });
}

/** The request for libotp, in the client's own JSON, in which libotp sees a repeated member. Undefined if refused. */
function recipientOf(bytes) {
  return textsOf(bytes, MEMBERS)?.text;
}

/** An object of texts with no other members than `names`, as text and read. Undefined if it is something else. */
function textsOf(bytes, names) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const members = JSON.parse(text);
    const entries = Object.entries(members);
    const allowed = entries.every(([name, value]) => names.includes(name) && typeof value === 'string');
    return entries.length > 0 && allowed ? { text, members } : undefined;
  } catch {
    return undefined;
  }
}

/** Express knows an error handler by its four parameters. */
function answerError(error, _request, response, _next) {
  if (error instanceof OtpError) return answerOtpError(error, response);
  if (error.type === 'entity.too.large') return answer(response, 413, `The body is longer than ${error.limit} bytes`);
  if (error instanceof URIError) return answer(response, 400, 'The path is not valid UTF-8');
  if (error.status >= 400 && error.status < 500) return answer(response, error.status, 'The body could not be read');
  // Its kind alone: its text may hold what the client sent.
  log(ERROR, 'defect', { cause: error.name });
  answer(response, 500, resultMessage('E_INTERNAL'));
}

/** Which argument is wrong is for the client, and all else for the operator. Neither holds a secret. */
function answerOtpError(error, response) {
  if (error.result === 'E_ARGUMENT') return answer(response, 400, error.message);
  if (error.result.startsWith('E_')) logFailure(error);
  answerResult(response, error.result, error.retryAfterSeconds);
}
