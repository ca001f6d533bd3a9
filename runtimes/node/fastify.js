// The application on Fastify.
import process from 'node:process';

import { countBody, NotJson } from './body.js';
import { chained, parallel } from './callbacks.js';
import { createApp } from './fastify-app.js';
import { kernels } from './kernels.js';
import { InvalidOrder, MAX_BODY_BYTES, priceOrder } from './orders.js';
import { PARAMETERS, WrongParameter } from './parameters.js';
import { answer, ORDER, PRICED_ORDER, query } from './schemas.js';
import { serve } from './serve.js';
import { download, MAX_UPLOAD_BYTES } from './stream.js';
import { wait } from './upstream.js';
import { computeInParts, eventLoop } from './workforce.js';

const STRING = { type: 'string' };
const INTEGER = { type: 'integer' };

const app = createApp();

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

await app.ready();
serve(app.server);
