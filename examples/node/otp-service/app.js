// The routes: what a request may say and how a result is answered.
import express from 'express';
import { OtpError, resultHttpStatus, resultMessage } from 'libotp';

/** Most bytes of a request's body, and of a webhook's: what libotp takes. */
const REQUEST_BYTES = 16 * 1024;
const WEBHOOK_BYTES = 64 * 1024;

/** All that a client may say. The rest of a request, such as its subject or a code, is for the host to decide. */
const MEMBERS = ['messengerId', 'phoneNumber'];
const BODY_REFUSED =
  'The body must be a JSON object with messengerId, phoneNumber or both, each a text, and nothing else';

/** The Express application over a service. */
export function createApp(otp) {
  const app = express();
  app.disable('x-powered-by').disable('etag').enable('strict routing').enable('case sensitive routing');

  route(app, 'GET', '/', (_request, response) => answer(response, 200, 'This is the OTP service'));

  route(app, 'POST', '/otp/:token', body(REQUEST_BYTES), async (request, response) => {
    const recipient = recipientOf(request.body);
    if (recipient === undefined) return answer(response, 400, BODY_REFUSED);
    await otp.create(request.params.token, recipient);
    answer(response, 201, 'Created');
  });

  route(app, 'GET', '/otp/:token/:code', async (request, response) => {
    const { result, retryAfterSeconds } = await otp.check(request.params.token, request.params.code);
    answerResult(response, result, retryAfterSeconds);
  });

  // The body as it came: the signature is over its bytes.
  const webhook = async (request, response) => {
    await otp.webhook(request.get('authorization'), request.body ?? '');
    answerResult(response, 'OK');
  };
  route(app, 'POST', '/webhooks/message-status', body(WEBHOOK_BYTES), webhook);
  route(app, 'POST', '/webhooks/inbound-message', body(WEBHOOK_BYTES), webhook);

  app.use((_request, response) => answer(response, 404, 'There is no such page'));
  app.use(answerError);
  return app;
}

/** A route and the one method it takes. HEAD is not GET here: a preview of a link must not use up a code. */
function route(app, method, path, ...handlers) {
  app.all(path, (request, response, next) => {
    if (request.method === method) return next();
    response.set('Allow', method);
    answer(response, 405, `Only ${method} is allowed`);
  });
  app.all(path, ...handlers);
}

/** Reads a body whatever its type says; a compressed one is refused. */
function body(limit) {
  return express.raw({ type: () => true, limit, inflate: false });
}

/** The request for libotp, in the client's own JSON, in which libotp sees a repeated member. Undefined if refused. */
function recipientOf(bytes) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const members = Object.entries(JSON.parse(text));
    const allowed = members.every(([name, value]) => MEMBERS.includes(name) && typeof value === 'string');
    return members.length > 0 && allowed ? text : undefined;
  } catch {
    return undefined;
  }
}

function answer(response, status, text) {
  // An answer about a code is true once.
  response.status(status).set('Cache-Control', 'no-store').type('text/plain; charset=utf-8').send(text);
}

function answerResult(response, result, retryAfterSeconds) {
  if (retryAfterSeconds !== undefined) response.set('Retry-After', String(retryAfterSeconds));
  answer(response, resultHttpStatus(result), resultMessage(result));
}

/** Express knows an error handler by its four parameters. */
function answerError(error, _request, response, _next) {
  if (error instanceof OtpError) return answerOtpError(error, response);
  if (error.type === 'entity.too.large') return answer(response, 413, `The body is longer than ${error.limit} bytes`);
  if (error instanceof URIError) return answer(response, 400, 'The path is not valid UTF-8');
  if (error.status >= 400 && error.status < 500) return answer(response, error.status, 'The body could not be read');
  process.stderr.write(`otp-service: ${error.stack}\n`);
  answer(response, 500, resultMessage('E_INTERNAL'));
}

/** Which argument is wrong is for the client, and all else for the operator. Neither holds a secret. */
function answerOtpError(error, response) {
  if (error.result === 'E_ARGUMENT') return answer(response, 400, error.message);
  if (error.result.startsWith('E_')) process.stderr.write(`${error.result}: ${error.message}\n`);
  answerResult(response, error.result, error.retryAfterSeconds);
}
