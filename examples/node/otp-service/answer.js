// How requests are routed and answered.
import { resultHttpStatus, resultMessage } from 'libotp';

export const READ = ['GET', 'HEAD'];

/**
 * A route and the methods it takes. HEAD goes where GET does, but not to a code: a preview of a link must not use one up.
 * It cannot be told from a person by GET, so links are better made with the POST.
 */
export function route(app, methods, path, ...handlers) {
  app.all(path, (request, response, next) => {
    if (methods.includes(request.method)) return next();
    const allowed = methods.join(', ');
    response.set('Allow', allowed);
    answer(response, 405, `Only ${allowed} is allowed`);
  });
  app.all(path, ...handlers);
}

/** Switches off what Express does of its own accord. */
export function plain(app) {
  return app.disable('x-powered-by').disable('etag').enable('strict routing').enable('case sensitive routing');
}

export function answer(response, status, text, type = 'text/plain; charset=utf-8') {
  // An answer about a code is true once.
  response.status(status).set('Cache-Control', 'no-store').type(type).send(text);
}

export function answerResult(response, result, retryAfterSeconds) {
  if (retryAfterSeconds !== undefined) response.set('Retry-After', String(retryAfterSeconds));
  answer(response, resultHttpStatus(result), resultMessage(result));
}

export function answerNotFound(_request, response) {
  answer(response, 404, 'There is no such page');
}
