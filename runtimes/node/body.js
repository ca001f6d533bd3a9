// Bodies of requests, as they come.
import { Buffer } from 'node:buffer';

import { Refusal } from './refusal.js';

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;

/** Whether a content-type is JSON's, parameters aside. */
export function isJson(contentType = '') {
  return contentType === 'application/json' || JSON_TYPE.test(contentType);
}

export class NotJson extends Refusal {
  constructor() {
    super(415, 'content-type must be application/json');
  }
}

export class BodyTooLarge extends Refusal {
  constructor(limit) {
    super(413, `body exceeds ${limit} bytes`);
  }
}

/** The whole body. */
export async function readBody(req, limit) {
  const chunks = [];
  const size = await receive(req, limit, (chunk) => chunks.push(chunk));
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, size);
}

/** How many bytes the body has; none is kept. */
export function countBody(req, limit) {
  return receive(req, limit, () => {});
}

/**
 * Gives chunks to take, and then their size. Fails with BodyTooLarge at once
 * when content-length says so, else as soon as the limit is passed. What follows
 * then is read and dropped, because closing on a client that still sends would
 * take the answer from it. Where the client goes away nobody waits for an end.
 */
function receive(req, limit, take) {
  return new Promise((resolve, reject) => {
    if (Number(req.headers['content-length']) > limit) {
      reject(new BodyTooLarge(limit)); // node:http drops what nobody listens for
      return;
    }
    let size = 0;
    req.on('data', (chunk) => {
      if (size > limit) return;
      size += chunk.length;
      if (size > limit) {
        reject(new BodyTooLarge(limit));
      } else {
        take(chunk);
      }
    });
    req.on('end', () => resolve(size));
  });
}
