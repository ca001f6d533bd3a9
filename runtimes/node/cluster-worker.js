// A worker of the cluster: accepts requests as server.js does, and does parts of
// CPU work for its siblings, which the primary brings.
import { createServer } from 'node:http';
import { availableParallelism } from 'node:os';
import process from 'node:process';

import { createApp } from './app.js';
import { describe } from './identity.js';
import { compute, computePart } from './kernels.js';
import { serve } from './serve.js';
import { HTTP_OPTIONS } from './settings.js';

const parallelism = availableParallelism();
const asked = new Map(); // how to settle the parts that others do, by id
let lastId = 0;

const workforce = {
  compute,
  computePart(job) {
    return new Promise((resolve) => {
      lastId += 1;
      asked.set(lastId, resolve);
      process.send({ type: 'ask', id: lastId, job });
    });
  },
  parallelism,
};

process.on('message', (message) => {
  if (message.type === 'do') {
    process.send({ type: 'done', result: computePart(message.job) });
  } else {
    asked.get(message.id)(message.result);
    asked.delete(message.id);
  }
});

const server = createServer(
  HTTP_OPTIONS,
  createApp(() => describe(server, { workers: parallelism, parallelism }), workforce),
);
server.once('close', () => process.send({ type: 'drained' }));
serve(server);
