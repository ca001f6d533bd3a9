// A subscriber by WebSocket, on the package ws.
import { InvalidMessage, MAX_HELD_BYTES, MAX_MESSAGE_BYTES, parseMessage } from './rooms.js';

/** Options of ws's servers. A frame that is too large ends its connection. */
export const SOCKET_OPTIONS = { maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false, clientTracking: false };

const POLICY_VIOLATION = 1008;

/**
 * Sends a room's messages to a socket, and publishes its frames.
 * @param {import('ws').WebSocket} socket
 */
export function joinRoom(rooms, room, socket) {
  const leave = rooms.subscribe(room, ({ frame }) => {
    if (socket.bufferedAmount + frame.length > MAX_HELD_BYTES) {
      socket.terminate();
    } else {
      socket.send(frame, { binary: false });
    }
  });
  socket.on('message', (data, isBinary) => {
    try {
      if (isBinary) throw new InvalidMessage();
      rooms.publish(room, parseMessage(data));
    } catch (error) {
      if (!(error instanceof InvalidMessage)) throw error;
      socket.close(POLICY_VIOLATION);
    }
  });
  socket.on('error', () => {}); // ws closes the connection, and tells the client why
  socket.on('close', leave);
}
