// The HTTP service behind GET /wait. The client is node:http's: the one behind
// fetch is WebAssembly, which --jitless does not have.
import { Agent, get } from 'node:http';
import process from 'node:process';
import { urlToHttpOptions } from 'node:url';

import { MAX_WAIT_MS } from './parameters.js';
import { Refusal } from './refusal.js';

const { protocol, hostname, port, pathname } = urlToHttpOptions(
  new URL(process.env.UPSTREAM_URL || 'http://127.0.0.1:8081'),
);
const base = pathname.replace(/\/$/, '');

// An upstream that says nothing for so long has failed: node:http by itself would
// wait for ever.
const SILENCE_MS = MAX_WAIT_MS + 10_000;

// Every request that waits holds a connection. All are kept: the default keeps
// 256, and would close and open the others again and again.
const agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: Infinity });

/** The upstream's text after ms milliseconds. */
export async function wait(ms) {
  try {
    return await getText(`${base}/wait?ms=${ms}`);
  } catch (cause) {
    throw new Refusal(502, 'upstream failed', { cause });
  }
}

function getText(path) {
  return new Promise((resolve, reject) => {
    const req = get({ protocol, hostname, port, path, agent, timeout: SILENCE_MS }, (res) => {
      if (res.statusCode !== 200) {
        res.resume(); // frees the connection
        reject(new Error(`status ${res.statusCode}`));
        return;
      }
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk) => {
        text += chunk;
      });
      res.on('end', () => resolve(text));
      res.on('error', reject);
    });
    req.on('timeout', () => req.destroy(new Error(`silent for ${SILENCE_MS} ms`)));
    req.on('error', (error) => {
      // An idle connection that the upstream closed just now. Each try uses one
      // of those up, so there is an end to it: a new connection.
      if (req.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) {
        resolve(getText(path));
      } else {
        reject(error);
      }
    });
  });
}
