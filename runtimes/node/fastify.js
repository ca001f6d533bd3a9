// The application on Fastify.
import { Buffer } from 'node:buffer';
import process from 'node:process';

import Fastify from 'fastify';

import { BodyTooLarge, countBody, NotJson } from './body.js';
import { chained, parallel } from './callbacks.js';
import { settleConnection } from './connection.js';
import { describe } from './identity.js';
import { kernels } from './kernels.js';
import { InvalidOrder, MAX_BODY_BYTES, parseOrder, priceOrder } from './orders.js';
import { PARAMETERS, WrongParameter } from './parameters.js';
import { Refusal } from './refusal.js';
import { answer, compileValidator, ORDER, PRICED_ORDER, query } from './schemas.js';
import { serve } from './serve.js';
import { HTTP_OPTIONS } from './settings.js';
import { download, MAX_UPLOAD_BYTES } from './stream.js';
import { wait } from './upstream.js';
import { computeInParts, eventLoop } from './workforce.js';

const STRING = { type: 'string' };
const INTEGER = { type: 'integer' };

const app = Fastify({
  ...HTTP_OPTIONS,
  // A path that cannot be decoded is one that is not there. No hook is called
  // for it, and only bytes keep their content-type as it is.
  frameworkErrors: (error, request, reply) => {
    settleConnection(reply.raw);
    reply.code(404).type('application/json').send(Buffer.from('{"error":"not found"}'));
  },
});
const libraries = { fastify: app.version };

app.setValidatorCompiler(compileValidator);

// Fastify's own parser would drop a byte order mark and replace what is not
// UTF-8: both are no orders. No other type of body is anybody's.
app.removeAllContentTypeParsers();
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (request, body) => parseOrder(body));

// Fastify knows no 405: it takes a path's methods for all there is of it.
const methodsOf = new Map(); // by path
app.addHook('onRoute', ({ url, method }) => {
  methodsOf.set(url, (methodsOf.get(url) ?? []).concat(method));
});

app.addHook('onSend', (request, reply, payload, done) => {
  // Fastify adds a charset, which application/json does not have.
  if (reply.getHeader('content-type') === 'application/json; charset=utf-8') {
    reply.header('content-type', 'application/json');
  }
  settleConnection(reply.raw);
  done();
});

app.setNotFoundHandler(notFound);

app.setErrorHandler((error, request, reply) => {
  // After a body that it refused Fastify would close on a client that still sends.
  reply.removeHeader('connection');
  if (request.is404) {
    notFound(request, reply); // whatever is wrong with the body
  } else if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    refuse(reply, new NotJson());
  } else if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    refuse(reply, new BodyTooLarge(MAX_BODY_BYTES));
  } else if (error instanceof Refusal || error.statusCode < 500) {
    refuse(reply, error);
  } else {
    console.error(error);
    reply.code(500).send({ error: 'internal error' });
  }
});

app.get('/healthz', (request, reply) => {
  reply.send('ok');
});
app.get('/identity', (request, reply) => {
  reply.send(describe(app.server, { libraries }));
});
app.get('/plaintext', (request, reply) => {
  reply.send('Hello, World!');
});
app.get('/json', { schema: { response: { 200: answer({ message: STRING }) } } }, (request, reply) => {
  reply.send({ message: 'Hello, World!' });
});

app.post(
  '/echo',
  {
    bodyLimit: MAX_BODY_BYTES,
    schema: { body: ORDER, response: { 200: PRICED_ORDER } },
    schemaErrorFormatter: () => new InvalidOrder(),
    // Without a content-type Fastify lets a request pass that has no body.
    preValidation: (request, reply, done) => {
      done(request.body === undefined ? new NotJson() : undefined);
    },
  },
  (request, reply) => {
    reply.send(priceOrder(request.body));
  },
);

for (const [kernel, { part }] of Object.entries(kernels)) {
  const result = kernel === 'native' ? STRING : INTEGER;
  app.get(
    `/compute/${kernel}`,
    withParameters(PARAMETERS.compute(kernel), { kernel: STRING, n: INTEGER, result }),
    async ({ query: { n } }) => ({ kernel, n, result: await eventLoop.compute({ kernel, n }) }),
  );
  if (part) {
    app.get(
      `/parallel/${kernel}`,
      withParameters(PARAMETERS.parallel(kernel), { kernel: STRING, workers: INTEGER, n: INTEGER, result }),
      async ({ query: { workers, n } }) => ({
        kernel,
        workers,
        n,
        result: await computeInParts(eventLoop, { kernel, n, workers }),
      }),
    );
  }
}

app.get(
  '/wait',
  withParameters(PARAMETERS.wait, { ms: INTEGER, upstream: STRING }),
  async ({ query: { ms } }) => ({ ms, upstream: await wait(ms) }),
);

for (const [mode, run] of Object.entries({ chained, parallel })) {
  app.get(
    `/callbacks/${mode}`,
    withParameters(PARAMETERS.callbacks, { mode: STRING, n: INTEGER, result: INTEGER }),
    async ({ query: { n } }) => ({ mode, n, result: await run(n) }),
  );
}

app.get('/stream', withParameters(PARAMETERS.stream), (request, reply) => {
  reply.type('application/octet-stream').send(download(request.query.mib));
});
app.register(async (uploads) => {
  uploads.removeAllContentTypeParsers();
  uploads.addContentTypeParser('*', (request, body, done) => done(null)); // the handler reads it as it comes
  uploads.post(
    '/stream',
    {
      schema: { response: { 200: answer({ bytes: INTEGER }) } },
      // Fastify refuses what is no proper content-type before it asks any parser.
      onRequest: (request, reply, done) => {
        delete request.headers['content-type'];
        done();
      },
    },
    async (request) => ({ bytes: await countBody(request.raw, MAX_UPLOAD_BYTES) }),
  );
});

if (process.env.DATABASE_URL) {
  // Servers without a database start without its client.
  const { addShop } = await import('./shop-fastify.js');
  addShop(app, withParameters);
}

/** Options of a route with a query of these parameters, and an answer of these fields. */
function withParameters(parameters, fields) {
  return {
    schema: {
      querystring: query(parameters),
      ...(fields && { response: { 200: answer(fields) } }),
    },
    schemaErrorFormatter: ([{ instancePath }]) =>
      new WrongParameter(parameters.find(({ name }) => instancePath === `/${name}`)),
  };
}

function notFound(request, reply) {
  const [path] = request.url.split('?', 1);
  const methods = methodsOf.get(path);
  if (methods === undefined) {
    reply.code(404).send({ error: 'not found' });
  } else {
    reply.code(405).header('allow', methods.join(', ')).send({ error: 'method not allowed' });
  }
}

function refuse(reply, { statusCode, message }) {
  reply.code(statusCode).send({ error: message });
}

await app.ready();
serve(app.server);
