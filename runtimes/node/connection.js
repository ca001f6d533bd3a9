// What an answer says of its connection.
let stopping = false;

/** From now on every answer ends its connection. */
export function endConnections() {
  stopping = true;
}

/** To be called just before the head of each answer is written. */
export function settleConnection(res) {
  if (stopping) {
    res.setHeader('connection', 'close');
  } else if (res.shouldKeepAlive) {
    // HTTP/1.1 connections persist without being told so.
    res.removeHeader('connection');
  }
}
