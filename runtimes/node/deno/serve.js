// The application on Deno.serve: one process, one event loop.
import { describe } from '../identity.js';
import { HTTP_OPTIONS, settings, SHUTDOWN_GRACE_MS } from '../settings.js';
import { answerFailure, createRoutes, endConnections, notFound } from '../web/app.js';
import { readKernelFiles } from './kernel-files.js';
import { wait } from './upstream.js';

const identity = async () => describe(HTTP_OPTIONS, {}, await readKernelFiles());
const routes = new Map(Object.entries(createRoutes(identity, wait)));
const server = Deno.serve(
  {
    hostname: settings.host,
    port: settings.port,
    tcpBacklog: settings.backlog,
    onListen() {},
    onError: answerFailure,
  },
  (request) => {
    const handler = routes.get(new URL(request.url).pathname) ?? notFound;
    return mayHaveBody(request) ? readPast(request, handler) : handler(request);
  },
);

Deno.addSignalListener('SIGTERM', stop);
Deno.addSignalListener('SIGINT', stop);

function stop() {
  endConnections();
  setTimeout(() => Deno.exit(0), SHUTDOWN_GRACE_MS);
  server.shutdown().then(() => Deno.exit(0)); // once no request is at work
}

function mayHaveBody({ method }) {
  return method !== 'GET' && method !== 'HEAD';
}

/** Answers, and cancels what is left of the body: Deno then drops it, and would else close the connection. */
async function readPast(request, handler) {
  let response;
  try {
    response = await handler(request);
  } catch (error) {
    response = answerFailure(error);
  }
  if (request.body && !request.bodyUsed) await request.body.cancel();
  return response;
}
