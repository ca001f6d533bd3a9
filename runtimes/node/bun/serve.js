// The application on Bun.serve and its router: one process, one event loop.
//
// Bun's fetch would keep 64 idle connections to the upstream, however many wait for
// it: node:http's client keeps them all.
import process from 'node:process';

import { describe } from '../identity.js';
import { HTTP_OPTIONS, settings, SHUTDOWN_GRACE_MS } from '../settings.js';
import { wait } from '../upstream.js';
import { answerFailure, createRoutes, endConnections, notFound } from '../web/app.js';
import { deepenBacklog } from './backlog.js';

// Bun looks at its connections every 4 s, and may close one so much too early.
const IDLE_TIMEOUT_S = HTTP_OPTIONS.keepAliveTimeout / 1000 + 5;

// Without a database Bun starts without its client.
const shop = process.env.DATABASE_URL && { ...(await import('../shop.js')), ...(await import('./shop-sql.js')) };

const routes = Object.entries(createRoutes(() => describe(HTTP_OPTIONS), wait, shop));
const server = Bun.serve({
  hostname: settings.host,
  port: settings.port,
  idleTimeout: IDLE_TIMEOUT_S,
  maxRequestBodySize: Number.MAX_SAFE_INTEGER, // each endpoint has its own
  routes: Object.fromEntries(routes.map(([path, handler]) => [path, dated(handler)])),
  fetch: dated(notFound),
  error: answerFailure,
});
deepenBacklog();

process.once('SIGTERM', stop);
process.once('SIGINT', stop);

function stop() {
  endConnections();
  server.stop().then(() => process.exit(0)); // once no request is at work
  server.closeIdleConnections();
  setTimeout(() => process.exit(0), SHUTDOWN_GRACE_MS).unref();
}

/** A handler whose answers to HEAD have the date, which Bun adds to all others. */
function dated(handler) {
  return (request) => (request.method === 'HEAD' ? answerHead(request, handler) : handler(request));
}

async function answerHead(request, handler) {
  let response;
  try {
    response = await handler(request);
  } catch (error) {
    response = answerFailure(error);
  }
  response.headers.set('date', new Date().toUTCString());
  return response;
}
