// Rooms on Bun.serve: its WebSocket and its publish, one process, one event loop.
import process from 'node:process';

import { describe } from '../identity.js';
import { Refusal } from '../refusal.js';
import {
  isMessage,
  MAX_HELD_BYTES,
  MAX_MESSAGE_BYTES,
  parseMessage,
  ROOM_NAME,
  Rooms,
  SUBSCRIBED,
} from '../rooms.js';
import { HTTP_OPTIONS, settings, SHUTDOWN_GRACE_MS } from '../settings.js';
import { answer, answerFailure, answerJson, createRoutes, endConnections, notFound, readBody, route } from '../web/app.js';
import { deepenBacklog } from './backlog.js';

// Bun looks at its connections every 4 s, and may close one so much too early.
const IDLE_TIMEOUT_S = HTTP_OPTIONS.keepAliveTimeout / 1000 + 5;
const NAME = new RegExp(`^${ROOM_NAME}$`);
const POLICY_VIOLATION = 1008;

const rooms = new Rooms(); // numbers, and subscribers of events; Bun keeps those of sockets
const { '/healthz': healthz, '/identity': identity } = createRoutes(() => describe(HTTP_OPTIONS));

const server = Bun.serve({
  hostname: settings.host,
  port: settings.port,
  idleTimeout: IDLE_TIMEOUT_S,
  maxRequestBodySize: Number.MAX_SAFE_INTEGER, // each endpoint has its own
  routes: {
    '/healthz': dated(healthz),
    '/identity': dated(identity),
    '/rooms/:room/messages': inRoom(route({ POST: postMessage })),
    '/rooms/:room/events': inRoom(route({ GET: getEvents })),
    '/rooms/:room/socket': inRoom(route({ GET: getSocket })),
  },
  fetch: dated(notFound),
  error: answerFailure,
  websocket: {
    open: (socket) => socket.subscribe(socket.data.room),
    message: receive,
    maxPayloadLength: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    backpressureLimit: MAX_HELD_BYTES,
    closeOnBackpressureLimit: true,
    idleTimeout: 0,
    sendPings: false,
  },
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

function inRoom(handler) {
  return (request) => (NAME.test(request.params.room) ? handler(request) : notFound());
}

function publish(room, text) {
  const number = rooms.publish(room, text);
  server.publish(room, `${number} ${text}`);
  return number;
}

async function postMessage(request) {
  const text = parseMessage(await readBody(request, MAX_MESSAGE_BYTES));
  return answerJson({ number: publish(request.params.room, text) });
}

function getEvents(request) {
  server.timeout(request, 0);
  let leave;
  const events = new ReadableStream(
    {
      start(controller) {
        leave = rooms.subscribe(request.params.room, ({ event }) => {
          if (controller.desiredSize < event.length) {
            leave();
            controller.error(new Error('the subscriber does not read'));
          } else {
            controller.enqueue(event);
          }
        });
        controller.enqueue(Buffer.from(SUBSCRIBED));
      },
      cancel: () => leave(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_HELD_BYTES }),
  );
  return answer(events, 'text/event-stream');
}

function getSocket(request) {
  const { room } = request.params;
  if (!server.upgrade(request, { data: { room } })) throw new Refusal(400, 'not a websocket request');
}

function receive(socket, text) {
  if (typeof text === 'string' && isMessage(text)) {
    publish(socket.data.room, text);
  } else {
    socket.close(POLICY_VIOLATION);
  }
}

/** A handler whose answers to HEAD have the date, which Bun adds to all others. */
function dated(handler) {
  return async (request) => {
    const response = await handler(request);
    if (request.method === 'HEAD') response.headers.set('date', new Date().toUTCString());
    return response;
  };
}
