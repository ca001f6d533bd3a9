// The process: listens, and ends when told to.
import { createServer } from 'node:http';
import process from 'node:process';

import { createApp, endConnections } from './app.js';
import { describe } from './identity.js';

const settings = {
  host: process.env.HOST || '127.0.0.1',
  port: Number(process.env.PORT || 8080),
  backlog: 4096,
  accessLog: false,
  model: process.env.WORKER_MODEL || 'single',
  workers: 1,
};
const SHUTDOWN_GRACE_MS = 3_000;

const server = createServer(
  { keepAliveTimeout: 75_000 },
  createApp(() => describe(settings, server)),
);
const sockets = new Set();
server.on('connection', (socket) => {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
});
server.listen({ host: settings.host, port: settings.port, backlog: settings.backlog });

function stop() {
  endConnections();
  server.close(); // no new connections; idle ones go at once
  for (const socket of sockets) {
    // node:http does not count one as idle that never sent anything.
    if (socket.bytesRead === 0) socket.destroy();
  }
  setTimeout(() => server.closeAllConnections(), SHUTDOWN_GRACE_MS).unref();
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
