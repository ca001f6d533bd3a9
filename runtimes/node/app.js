// Requests to answers: routing, and what every endpoint says.
import { Buffer } from 'node:buffer';

import { InvalidOrder, MAX_BODY_BYTES, parseOrder, priceOrder } from './orders.js';

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';
const JSON_WITH_PARAMETERS = /^application\/json[ \t]*(;|$)/i;

let stopping = false;

/** From now on every answer ends its connection. */
export function endConnections() {
  stopping = true;
}

/**
 * The application as a request listener.
 * @param {() => object} identity answers GET /identity
 */
export function createApp(identity) {
  const routes = new Map([
    ['/healthz', readable((req, res) => send(res, 200, TEXT, 'ok'))],
    ['/identity', readable((req, res) => sendJson(res, 200, identity()))],
    ['/plaintext', readable((req, res) => send(res, 200, TEXT, 'Hello, World!'))],
    ['/json', readable((req, res) => sendJson(res, 200, { message: 'Hello, World!' }))],
    ['/echo', { methods: ['POST'], allow: 'POST', answer: echo }],
  ]);

  return (req, res) => {
    const route = routes.get(pathOf(req.url));
    if (route === undefined) {
      sendError(res, 404, 'not found');
    } else if (!route.methods.includes(req.method)) {
      sendError(res, 405, 'method not allowed', { allow: route.allow });
    } else {
      route.answer(req, res);
    }
  };
}

function readable(answer) {
  return { methods: ['GET', 'HEAD'], allow: 'GET, HEAD', answer };
}

function pathOf(url) {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

function echo(req, res) {
  const { 'content-type': type = '', 'content-length': length } = req.headers;
  if (!isJson(type)) {
    sendError(res, 415, 'content-type must be application/json');
  } else if (Number(length) > MAX_BODY_BYTES) {
    sendTooLarge(res);
  } else {
    readBody(req, (body) => (body === null ? sendTooLarge(res) : sendPriced(res, body)));
  }
}

function sendPriced(res, body) {
  let priced;
  try {
    priced = priceOrder(parseOrder(body));
  } catch (error) {
    if (!(error instanceof InvalidOrder)) throw error;
    sendError(res, 400, 'not a valid order');
    return;
  }
  sendJson(res, 200, priced);
}

function isJson(type) {
  return type === JSON_TYPE || JSON_WITH_PARAMETERS.test(type);
}

/**
 * Calls done once: with the whole body, or with null as soon as it is longer
 * than MAX_BODY_BYTES. What follows then is read and dropped, because closing
 * on a client that still sends would take the answer from it.
 */
function readBody(req, done) {
  let chunks = [];
  let size = 0;
  req.on('data', (chunk) => {
    if (chunks === null) return;
    size += chunk.length;
    if (size > MAX_BODY_BYTES) {
      chunks = null;
      done(null);
    } else {
      chunks.push(chunk);
    }
  });
  req.on('end', () => {
    if (chunks !== null) done(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size));
  });
}

function sendTooLarge(res) {
  sendError(res, 413, `body exceeds ${MAX_BODY_BYTES} bytes`);
}

function sendError(res, status, error, headers) {
  send(res, status, JSON_TYPE, JSON.stringify({ error }), headers);
}

function sendJson(res, status, value) {
  send(res, status, JSON_TYPE, JSON.stringify(value));
}

function send(res, status, type, body, headers) {
  if (stopping) {
    res.setHeader('connection', 'close');
  } else if (res.shouldKeepAlive) {
    // HTTP/1.1 connections persist without being told so.
    res.removeHeader('connection');
  }
  res.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  res.end(body);
}
