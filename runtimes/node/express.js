// The application on Express.
import { Buffer } from 'node:buffer';
import { createServer } from 'node:http';
import process from 'node:process';
import { pipeline } from 'node:stream';

import express from 'express';
import manifest from 'express/package.json' with { type: 'json' };

import { BodyTooLarge, countBody, isJson, NotJson } from './body.js';
import { chained, parallel } from './callbacks.js';
import { settleConnection } from './connection.js';
import { describe } from './identity.js';
import { kernels } from './kernels.js';
import { MAX_BODY_BYTES, parseOrder, priceOrder, validateOrder } from './orders.js';
import { PARAMETERS, readParameters } from './parameters.js';
import { Refusal } from './refusal.js';
import { serve } from './serve.js';
import { HTTP_OPTIONS } from './settings.js';
import { download, MAX_UPLOAD_BYTES } from './stream.js';
import { wait } from './upstream.js';
import { computeInParts, eventLoop } from './workforce.js';

const libraries = { express: manifest.version };

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.enable('case sensitive routing');
app.enable('strict routing');

app
  .route('/healthz')
  .get((req, res) => sendText(res, 'ok'))
  .all(allowOnly('GET, HEAD'));
app
  .route('/identity')
  .get((req, res) => sendJson(res, describe(server, { libraries })))
  .all(allowOnly('GET, HEAD'));
app
  .route('/plaintext')
  .get((req, res) => sendText(res, 'Hello, World!'))
  .all(allowOnly('GET, HEAD'));
app
  .route('/json')
  .get((req, res) => sendJson(res, { message: 'Hello, World!' }))
  .all(allowOnly('GET, HEAD'));

app
  .route('/echo')
  .post(...readJson(), (req, res) => {
    validateOrder(res.locals.order);
    sendJson(res, priceOrder(res.locals.order));
  })
  .all(allowOnly('POST'));

for (const kernel of Object.keys(kernels)) {
  app
    .route(`/compute/${kernel}`)
    .get(parameters(PARAMETERS.compute(kernel)), async (req, res) => {
      const { n } = res.locals;
      sendJson(res, { kernel, n, result: await eventLoop.compute({ kernel, n }) });
    })
    .all(allowOnly('GET, HEAD'));
}
for (const kernel of Object.keys(kernels).filter((name) => kernels[name].part)) {
  app
    .route(`/parallel/${kernel}`)
    .get(parameters(PARAMETERS.parallel(kernel)), async (req, res) => {
      const { workers, n } = res.locals;
      sendJson(res, { kernel, workers, n, result: await computeInParts(eventLoop, { kernel, n, workers }) });
    })
    .all(allowOnly('GET, HEAD'));
}

app
  .route('/wait')
  .get(parameters(PARAMETERS.wait), async (req, res) => {
    const { ms } = res.locals;
    sendJson(res, { ms, upstream: await wait(ms) });
  })
  .all(allowOnly('GET, HEAD'));

for (const [mode, run] of Object.entries({ chained, parallel })) {
  app
    .route(`/callbacks/${mode}`)
    .get(parameters(PARAMETERS.callbacks), async (req, res) => {
      const { n } = res.locals;
      sendJson(res, { mode, n, result: await run(n) });
    })
    .all(allowOnly('GET, HEAD'));
}

app
  .route('/stream')
  .get(parameters(PARAMETERS.stream), (req, res) => {
    res.type('bin');
    settleConnection(res);
    pipeline(download(res.locals.mib), res, () => {}); // fails when the client goes: nobody to tell
  })
  .post(async (req, res) => sendJson(res, { bytes: await countBody(req, MAX_UPLOAD_BYTES) }))
  .all(allowOnly('GET, HEAD, POST'));

if (process.env.DATABASE_URL) {
  // Servers without a database start without its client.
  const { addShop } = await import('./shop-express.js');
  addShop(app, { allowOnly, parameters, readJson, sendJson });
}

app.use((req, res) => {
  res.status(404);
  sendJson(res, { error: 'not found' });
});

// Express knows a handler of errors by its four parameters.
app.use((error, req, res, next) => {
  if (error instanceof Refusal || error.expose) {
    res.status(error.statusCode);
    sendJson(res, { error: error.message });
  } else {
    console.error(error);
    res.status(500);
    sendJson(res, { error: 'internal error' });
  }
});

/** Puts the values of the query's parameters into res.locals. */
function parameters(expected) {
  return (req, res, next) => {
    const { query } = req; // parsed anew whenever it is asked for
    Object.assign(
      res.locals,
      readParameters(expected, (name) => query[name]),
    );
    next();
  };
}

function allowOnly(methods) {
  return (req, res) => {
    res.status(405).set('Allow', methods);
    sendJson(res, { error: 'method not allowed' });
  };
}

/** Handlers that put the parsed JSON of a body into res.locals.order. */
function readJson() {
  return [requireJson, promptly(express.raw({ type: () => true, limit: MAX_BODY_BYTES })), parseBody];
}

function requireJson(req, res, next) {
  if (!isJson(req.get('Content-Type'))) throw new NotJson();
  next();
}

/**
 * A body parser of Express says that a body is too large only when it has read
 * to its end. This says it at once, and leaves the parser to drop the rest.
 */
function promptly(parser) {
  return (req, res, next) => {
    const length = req.get('Content-Length');
    if (length !== undefined) {
      if (Number(length) > MAX_BODY_BYTES) throw new BodyTooLarge(MAX_BODY_BYTES);
      parser(req, res, next);
      return;
    }
    let size = 0;
    let refused = false;
    parser(req, res, (error) => {
      if (!refused) next(error);
    });
    req.on('data', (chunk) => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES && !refused) {
        refused = true;
        next(new BodyTooLarge(MAX_BODY_BYTES));
      }
    });
  };
}

// express.json() would decode the body by its charset, drop a byte order mark,
// and replace what is not UTF-8; all of these are no orders.
function parseBody(req, res, next) {
  res.locals.order = parseOrder(req.body ?? Buffer.alloc(0));
  next();
}

function sendText(res, text) {
  settleConnection(res);
  res.type('text/plain').send(text);
}

// res.json() would add a charset, which application/json does not have, and so
// would res.set() and res.send() to a text.
function sendJson(res, value) {
  const body = JSON.stringify(value);
  settleConnection(res);
  res.setHeader('Content-Type', 'application/json');
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.end(body);
}

const server = createServer(HTTP_OPTIONS, app);
serve(server);
