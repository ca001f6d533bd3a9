// The life of a server: listens, and ends when told to.
import process from 'node:process';

import { endConnections } from './connection.js';
import { settings, SHUTDOWN_GRACE_MS } from './settings.js';

/** @param {import('node:http').Server} server */
export function serve(server) {
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
      // node:http does not count one as idle that never sent anything. Bun accepts no
      // such connection, and counts the bytes of none.
      if (socket.bytesRead === 0 && !process.versions.bun) socket.destroy();
    }
    // What is still at work then, as calls of the upstream, is for nobody.
    setTimeout(() => process.exit(0), SHUTDOWN_GRACE_MS).unref();
  }

  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}
