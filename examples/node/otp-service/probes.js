// What is asked about the service rather than of it, and the address where nothing else is answered.
import { createServer } from 'node:http';
import express from 'express';
import { collectMetrics } from 'libotp/metrics';
import { Registry } from 'prom-client';
import { READ, answer, answerNotFound, answerResult, plain, route } from './answer.js';

/** Most connections at once on the address of its own. What is beyond is closed, and takes nothing from clients. */
const CONNECTIONS = 16;

/** How long a client may take for a request, and how long it may be silent. */
const PATIENCE_MS = 10_000;

/** Adds the pages of every address. */
export function addProbes(app, isReady) {
  // Whether this program runs, whatever became of its disk.
  route(app, READ, '/healthz', (_request, response) => answerResult(response, 'OK'));

  route(app, READ, '/readyz', async (_request, response) => {
    if (await isReady()) answerResult(response, 'OK');
    else answer(response, 503, 'Not ready');
  });
}

/** The server for the address of its own: what was counted, and the pages of every address. */
export function createProbeServer(otp, isReady) {
  const app = plain(express());
  const registry = new Registry(Registry.OPENMETRICS_CONTENT_TYPE);
  collectMetrics(otp, registry);
  addProbes(app, isReady);
  route(app, READ, '/metrics', async (_request, response) => {
    answer(response, 200, await registry.metrics(), registry.contentType);
  });
  app.use(answerNotFound);
  // Express knows an error handler by its four parameters. The service is being closed, say.
  app.use((_error, _request, response, _next) => answer(response, 503, 'Not ready'));
  const times = { headersTimeout: PATIENCE_MS, requestTimeout: PATIENCE_MS, connectionsCheckingInterval: 1_000 };
  const server = createServer(times, app).setTimeout(2 * PATIENCE_MS);
  // A connection that is kept would keep its place.
  return Object.assign(server, { maxConnections: CONNECTIONS, maxRequestsPerSocket: 1 });
}
