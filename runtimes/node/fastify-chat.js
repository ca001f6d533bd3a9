// Rooms on Fastify and @fastify/websocket: one process, one event loop.
import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';

import websocket from '@fastify/websocket';
import manifest from '@fastify/websocket/package.json' with { type: 'json' };
import ws from 'ws/package.json' with { type: 'json' };

import { createApp } from './fastify-app.js';
import { Refusal } from './refusal.js';
import { MAX_HELD_BYTES, MAX_MESSAGE_BYTES, parseMessage, ROOM_NAME, Rooms, SUBSCRIBED } from './rooms.js';
import { answer } from './schemas.js';
import { serve } from './serve.js';
import { joinRoom, SOCKET_OPTIONS } from './sockets.js';

const ROOM = `/rooms/:room(^${ROOM_NAME}$)`;
const ROOM_IN_PATH = new RegExp(`^/rooms/${ROOM_NAME}(?=/)`);

const rooms = new Rooms();
const app = createApp({ '@fastify/websocket': manifest.version, ws: ws.version }, (path) =>
  path.replace(ROOM_IN_PATH, ROOM),
);
await app.register(websocket, { options: SOCKET_OPTIONS });

app.register(async (messages) => {
  messages.removeAllContentTypeParsers();
  messages.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => done(null, body));
  messages.post(
    `${ROOM}/messages`,
    {
      bodyLimit: MAX_MESSAGE_BYTES,
      schema: { response: { 200: answer({ number: { type: 'integer' } }) } },
      // Fastify refuses what is no proper content-type before it asks any parser.
      onRequest: (request, reply, done) => {
        delete request.headers['content-type'];
        done();
      },
    },
    async ({ params: { room }, body }) => ({ number: rooms.publish(room, parseMessage(body ?? Buffer.alloc(0))) }),
  );
});

app.get(`${ROOM}/events`, { exposeHeadRoute: false }, ({ params: { room } }, reply) => {
  const events = new Readable({ read() {} });
  const leave = rooms.subscribe(room, ({ event }) => {
    if (events.readableLength + reply.raw.writableLength + event.length > MAX_HELD_BYTES) {
      reply.raw.destroy();
    } else {
      events.push(event);
    }
  });
  reply.raw.on('close', leave);
  events.push(SUBSCRIBED);
  reply.header('content-type', 'text/event-stream').send(events);
});

app.route({
  method: 'GET',
  url: `${ROOM}/socket`,
  exposeHeadRoute: false,
  handler: async () => {
    throw new Refusal(400, 'not a websocket request');
  },
  wsHandler: (socket, { params: { room } }) => joinRoom(rooms, room, socket),
});

await app.ready();
serve(app.server);
