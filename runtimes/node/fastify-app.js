// What every application on Fastify has: how it answers, and what it says of itself.
import { Buffer } from 'node:buffer';

import Fastify from 'fastify';

import { BodyTooLarge, NotJson } from './body.js';
import { settleConnection } from './connection.js';
import { describe } from './identity.js';
import { parseOrder } from './orders.js';
import { Refusal } from './refusal.js';
import { compileValidator } from './schemas.js';
import { HTTP_OPTIONS } from './settings.js';

/**
 * The application, without the routes of its workloads.
 * @param {Record<string, string>} libraries versions by name
 * @param {(path: string) => string} urlOf gives the url of the route that a path belongs to
 */
export function createApp(libraries = {}, urlOf = (path) => path) {
  const app = Fastify({
    ...HTTP_OPTIONS,
    // A path that cannot be decoded is one that is not there. No hook is called
    // for it, and only bytes keep their content-type as it is.
    frameworkErrors: (error, request, reply) => {
      settleConnection(reply.raw);
      reply.code(404).type('application/json').send(Buffer.from('{"error":"not found"}'));
    },
  });

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
      refuse(reply, new BodyTooLarge(request.routeOptions.bodyLimit));
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
    reply.send(describe(app.server, { libraries: { fastify: app.version, ...libraries } }));
  });

  function notFound(request, reply) {
    const [path] = request.url.split('?', 1);
    const methods = methodsOf.get(urlOf(path));
    if (methods === undefined) {
      reply.code(404).send({ error: 'not found' });
    } else {
      reply.code(405).header('allow', methods.join(', ')).send({ error: 'method not allowed' });
    }
  }

  return app;
}

function refuse(reply, { statusCode, message }) {
  reply.code(statusCode).send({ error: message });
}
