// The HTTP service behind GET /wait, asked with fetch. It keeps all of its connections.
import process from 'node:process';

import { MAX_WAIT_MS } from '../parameters.js';
import { Refusal } from '../refusal.js';

const base = (process.env.UPSTREAM_URL || 'http://127.0.0.1:8081').replace(/\/$/, '');

// An upstream that says nothing for so long has failed.
const SILENCE_MS = MAX_WAIT_MS + 10_000;

/** The upstream's text after ms milliseconds. */
export async function wait(ms) {
  try {
    const response = await fetch(`${base}/wait?ms=${ms}`, { signal: AbortSignal.timeout(SILENCE_MS) });
    const text = await response.text(); // frees the connection
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    return text;
  } catch (cause) {
    throw new Refusal(502, 'upstream failed', { cause });
  }
}
