// Rooms on node:http and ws: one process, one event loop.
import { createServer } from 'node:http';

import { WebSocketServer } from 'ws';
import manifest from 'ws/package.json' with { type: 'json' };

import { answering, createApp, dispatch, pathOf, route } from './app.js';
import { readBody } from './body.js';
import { settleConnection } from './connection.js';
import { describe } from './identity.js';
import { Refusal } from './refusal.js';
import { MAX_HELD_BYTES, MAX_MESSAGE_BYTES, parseMessage, parseRoomPath, Rooms, SUBSCRIBED } from './rooms.js';
import { serve } from './serve.js';
import { HTTP_OPTIONS } from './settings.js';
import { joinRoom, SOCKET_OPTIONS } from './sockets.js';
import { eventLoop } from './workforce.js';

const rooms = new Rooms();
const app = createApp(() => describe(server, { libraries: { ws: manifest.version } }), eventLoop);
const endpoints = {
  messages: route({ POST: answering(publish) }),
  events: route({ GET: subscribe }),
  socket: route({
    GET: answering(() => {
      throw new Refusal(400, 'not a websocket request');
    }),
  }),
};

const server = createServer(HTTP_OPTIONS, (req, res) => {
  const place = parseRoomPath(pathOf(req.url));
  if (place === undefined) {
    app(req, res);
  } else {
    req.room = place.room;
    dispatch(endpoints[place.endpoint], req, res);
  }
});

const sockets = new WebSocketServer({ ...SOCKET_OPTIONS, noServer: true });
server.on('upgrade', (req, socket, head) => {
  const place = parseRoomPath(pathOf(req.url));
  if (place?.endpoint !== 'socket') {
    socket.destroy();
    return;
  }
  sockets.handleUpgrade(req, socket, head, (ws) => joinRoom(rooms, place.room, ws));
});

serve(server);

async function publish(req) {
  const text = parseMessage(await readBody(req, MAX_MESSAGE_BYTES));
  return { number: rooms.publish(req.room, text) };
}

function subscribe(req, res) {
  settleConnection(res);
  res.writeHead(200, { 'content-type': 'text/event-stream' });
  const leave = rooms.subscribe(req.room, ({ event }) => {
    if (res.writableLength + event.length > MAX_HELD_BYTES) {
      res.destroy();
    } else {
      res.write(event);
    }
  });
  res.on('close', leave);
  res.write(SUBSCRIBED);
}
