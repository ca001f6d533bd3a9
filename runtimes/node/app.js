// Requests to answers on node:http alone: routing, and what every endpoint says.
import { Buffer } from 'node:buffer';
import process from 'node:process';
import { pipeline } from 'node:stream';

import { countBody, isJson, NotJson, readBody } from './body.js';
import { chained, parallel } from './callbacks.js';
import { settleConnection } from './connection.js';
import { kernels } from './kernels.js';
import { MAX_BODY_BYTES, parseOrder, priceOrder, validateOrder } from './orders.js';
import { PARAMETERS, readParameters } from './parameters.js';
import { Refusal } from './refusal.js';
import { download, MAX_UPLOAD_BYTES } from './stream.js';
import { wait } from './upstream.js';
import { computeInParts } from './workforce.js';

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';
const BYTES = 'application/octet-stream';
const HTML = 'text/html; charset=utf-8';

// Servers without a database start without its client.
const shop = process.env.DATABASE_URL && { ...(await import('./shop.js')), ...(await import('./shop-pg.js')) };

/**
 * The application as a request listener.
 * @param {() => object} identity answers GET /identity
 * @param {object} workforce does the CPU work: see workforce.js
 */
export function createApp(identity, workforce) {
  const routes = new Map([
    ['/healthz', readable((req, res) => send(res, 200, TEXT, 'ok'))],
    ['/identity', readable((req, res) => sendJson(res, 200, identity()))],
    ['/plaintext', readable((req, res) => send(res, 200, TEXT, 'Hello, World!'))],
    ['/json', readable((req, res) => sendJson(res, 200, { message: 'Hello, World!' }))],
    ['/echo', route({ POST: answering(echo) })],
    ['/wait', computed(PARAMETERS.wait, async ({ ms }) => ({ ms, upstream: await wait(ms) }))],
    [
      '/callbacks/chained',
      computed(PARAMETERS.callbacks, async ({ n }) => ({ mode: 'chained', n, result: await chained(n) })),
    ],
    [
      '/callbacks/parallel',
      computed(PARAMETERS.callbacks, async ({ n }) => ({ mode: 'parallel', n, result: await parallel(n) })),
    ],
    [
      '/stream',
      route({
        GET: answering(sendStream),
        HEAD: answering(sendStream),
        POST: answering(async (req) => ({ bytes: await countBody(req, MAX_UPLOAD_BYTES) })),
      }),
    ],
  ]);
  for (const kernel of Object.keys(kernels)) {
    routes.set(
      `/compute/${kernel}`,
      computed(PARAMETERS.compute(kernel), async ({ n }) => ({
        kernel,
        n,
        result: await workforce.compute({ kernel, n }),
      })),
    );
  }
  for (const kernel of Object.keys(kernels).filter((name) => kernels[name].part)) {
    routes.set(
      `/parallel/${kernel}`,
      computed(PARAMETERS.parallel(kernel), async ({ workers, n }) => ({
        kernel,
        workers,
        n,
        result: await computeInParts(workforce, { kernel, n, workers }),
      })),
    );
  }
  if (shop) {
    for (const [path, handlers] of Object.entries(shopRoutes())) routes.set(path, handlers);
  }

  return (req, res) => dispatch(routes.get(pathOf(req.url)), req, res);
}

/** Calls the listener of the request's method. Without a route the path is one that there is not. */
export function dispatch(found, req, res) {
  if (found === undefined) {
    sendError(res, 404, 'not found');
    return;
  }
  const listener = found.listeners.get(req.method);
  if (listener === undefined) {
    sendError(res, 405, 'method not allowed', { allow: found.allow });
  } else {
    listener(req, res);
  }
}

function shopRoutes() {
  return {
    '/shop/product': computed(PARAMETERS.product, ({ id }) => shop.findProduct(id)),
    '/shop/category': computed(PARAMETERS.category, async ({ id }) => ({
      category: id,
      products: await shop.listCategory(id),
    })),
    '/shop/page': readable(
      answering(async (req, res) => {
        const { id } = parametersOf(req, PARAMETERS.category);
        send(res, 200, HTML, shop.renderCategory(id, await shop.listCategory(id)));
      }),
    ),
    '/shop/order': route({
      POST: answering(async (req) => {
        const basket = await readJson(req);
        shop.validateBasket(basket);
        return shop.placeOrder(basket);
      }),
    }),
  };
}

/** @param {Record<string, import('node:http').RequestListener>} listeners by method */
export function route(listeners) {
  return { listeners: new Map(Object.entries(listeners)), allow: Object.keys(listeners).join(', ') };
}

function readable(listener) {
  return route({ GET: listener, HEAD: listener });
}

/** Answers with the JSON of what answer makes of the query's parameters. */
function computed(parameters, answer) {
  return readable(answering((req) => answer(parametersOf(req, parameters))));
}

/**
 * A listener that sends the JSON of what answer brings, unless answer has sent
 * something itself, and its failures as errors.
 */
export function answering(answer) {
  return async (req, res) => {
    try {
      const value = await answer(req, res);
      if (value !== undefined) sendJson(res, 200, value);
    } catch (error) {
      if (error instanceof Refusal) {
        sendError(res, error.statusCode, error.message);
      } else {
        console.error(error);
        sendError(res, 500, 'internal error');
      }
    }
  };
}

export function pathOf(url) {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

function parametersOf(req, parameters) {
  const query = new URLSearchParams(req.url.slice(pathOf(req.url).length));
  return readParameters(parameters, (name) => query.get(name));
}

async function echo(req) {
  const order = await readJson(req);
  validateOrder(order);
  return priceOrder(order);
}

async function readJson(req) {
  if (!isJson(req.headers['content-type'])) throw new NotJson();
  return parseOrder(await readBody(req, MAX_BODY_BYTES));
}

function sendStream(req, res) {
  const { mib } = parametersOf(req, PARAMETERS.stream);
  settleConnection(res);
  res.writeHead(200, { 'content-type': BYTES });
  pipeline(download(mib), res, () => {}); // fails when the client goes: nobody to tell
}

function sendError(res, status, error, headers) {
  send(res, status, JSON_TYPE, JSON.stringify({ error }), headers);
}

function sendJson(res, status, value) {
  send(res, status, JSON_TYPE, JSON.stringify(value));
}

function send(res, status, type, body, headers) {
  settleConnection(res);
  res.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  res.end(body);
}
