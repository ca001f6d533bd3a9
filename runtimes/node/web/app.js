// Requests to answers on the web's own Request, Response and ReadableStream, for the
// runtimes whose servers speak them.
import { Buffer } from 'node:buffer';

import { BodyTooLarge, isJson, NotJson } from '../body.js';
import { chained, parallel } from '../callbacks.js';
import { kernels } from '../kernels.js';
import { MAX_BODY_BYTES, parseOrder, priceOrder, validateOrder } from '../orders.js';
import { PARAMETERS, readParameters } from '../parameters.js';
import { Refusal } from '../refusal.js';
import { CHUNK, CHUNKS_PER_MIB, MAX_UPLOAD_BYTES } from '../stream.js';
import { computeInParts, eventLoop } from '../workforce.js';

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';
const BYTES = 'application/octet-stream';
const HTML = 'text/html; charset=utf-8';

let stopping = false;

/** From now on every answer ends its connection. */
export function endConnections() {
  stopping = true;
}

/**
 * The handler of each path.
 * @param {() => object | Promise<object>} identity answers GET /identity
 * @param {(ms: number) => Promise<string>} wait calls the upstream
 * @param {object} [shop] asks the database: shop.js with bun/shop-sql.js; none without a database
 * @returns {Record<string, (request: Request) => Response | Promise<Response>>}
 */
export function createRoutes(identity, wait, shop) {
  const routes = {
    '/healthz': readable(() => answer('ok', TEXT)),
    '/identity': readable(async () => answerJson(await identity())),
    '/plaintext': readable(() => answer('Hello, World!', TEXT)),
    '/json': readable(() => answerJson({ message: 'Hello, World!' })),
    '/echo': route({ POST: echo }),
    '/wait': computed(PARAMETERS.wait, async ({ ms }) => ({ ms, upstream: await wait(ms) })),
    '/stream': route({ GET: download, HEAD: download, POST: upload }),
  };
  for (const [mode, run] of Object.entries({ chained, parallel })) {
    routes[`/callbacks/${mode}`] = computed(PARAMETERS.callbacks, async ({ n }) => ({ mode, n, result: await run(n) }));
  }
  for (const kernel of Object.keys(kernels)) {
    routes[`/compute/${kernel}`] = computed(PARAMETERS.compute(kernel), ({ n }) => ({
      kernel,
      n,
      result: eventLoop.compute({ kernel, n }),
    }));
  }
  for (const kernel of Object.keys(kernels).filter((name) => kernels[name].part)) {
    routes[`/parallel/${kernel}`] = computed(PARAMETERS.parallel(kernel), async ({ workers, n }) => ({
      kernel,
      workers,
      n,
      result: await computeInParts(eventLoop, { kernel, n, workers }),
    }));
  }
  return shop ? { ...routes, ...shopRoutes(shop) } : routes;
}

function shopRoutes(shop) {
  return {
    '/shop/product': computed(PARAMETERS.product, ({ id }) => shop.findProduct(id)),
    '/shop/category': computed(PARAMETERS.category, async ({ id }) => ({
      category: id,
      products: await shop.listCategory(id),
    })),
    '/shop/page': readable(async (request) => {
      const { id } = parametersOf(request, PARAMETERS.category);
      return answer(shop.renderCategory(id, await shop.listCategory(id)), HTML);
    }),
    '/shop/order': route({
      POST: async (request) => {
        const basket = await readJson(request);
        shop.validateBasket(basket);
        return answerJson(await shop.placeOrder(basket));
      },
    }),
  };
}

/** The answer to a request of a path that there is not. */
export function notFound() {
  return answerError(404, 'not found');
}

/** The answer to a request whose handler has thrown. */
export function answerFailure(error) {
  if (error instanceof Refusal) return answerError(error.statusCode, error.message);
  console.error(error);
  return answerError(500, 'internal error');
}

/** A handler by method, and of all other methods. */
export function route(handlers) {
  const allow = Object.keys(handlers).join(', ');
  return (request) => {
    const handler = handlers[request.method];
    return handler ? handler(request) : answerError(405, 'method not allowed', { allow });
  };
}

// The server leaves out the body in an answer to HEAD.
function readable(handler) {
  return route({ GET: handler, HEAD: handler });
}

/** Answers with the JSON of what compute makes of the query's parameters. */
function computed(parameters, compute) {
  return readable(async (request) => answerJson(await compute(parametersOf(request, parameters))));
}

function parametersOf(request, parameters) {
  const { searchParams } = new URL(request.url);
  return readParameters(parameters, (name) => searchParams.get(name));
}

async function echo(request) {
  const order = await readJson(request);
  validateOrder(order);
  return answerJson(priceOrder(order));
}

async function readJson(request) {
  if (!isJson(request.headers.get('content-type') ?? '')) throw new NotJson();
  return parseOrder(await readBody(request, MAX_BODY_BYTES));
}

function download(request) {
  let left = parametersOf(request, PARAMETERS.stream).mib * CHUNKS_PER_MIB;
  const chunks = new ReadableStream({
    pull(controller) {
      if (left > 0) {
        controller.enqueue(CHUNK);
      } else {
        controller.close();
      }
      left -= 1;
    },
  });
  return answer(chunks, BYTES);
}

async function upload(request) {
  refuseLength(request, MAX_UPLOAD_BYTES);
  let size = 0;
  for await (const chunk of chunksOf(request, MAX_UPLOAD_BYTES)) size += chunk.length;
  return answerJson({ bytes: size });
}

/** The whole body: at once, where the request says how long it is. */
export async function readBody(request, limit) {
  refuseLength(request, limit);
  if (request.headers.has('content-length')) return Buffer.from(await request.arrayBuffer());
  const chunks = [];
  for await (const chunk of chunksOf(request, limit)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function refuseLength(request, limit) {
  if (Number(request.headers.get('content-length')) > limit) throw new BodyTooLarge(limit);
}

/** The body as it comes, up to a limit. The server drops what follows. */
async function* chunksOf(request, limit) {
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > limit) throw new BodyTooLarge(limit);
    yield chunk;
  }
}

function answerError(status, error, headers) {
  return answer(JSON.stringify({ error }), JSON_TYPE, status, headers);
}

export function answerJson(value) {
  return answer(JSON.stringify(value), JSON_TYPE);
}

export function answer(content, type, status = 200, headers = {}) {
  const response = new Response(content, { status, headers: { 'content-type': type, ...headers } });
  if (stopping) response.headers.set('connection', 'close');
  return response;
}
