// One process: HTTP on the main thread, CPU work in a pool of worker threads.
import { createServer } from 'node:http';
import { availableParallelism } from 'node:os';

import { Piscina } from 'piscina';

import { createApp } from './app.js';
import { describe } from './identity.js';
import { serve } from './serve.js';
import { HTTP_OPTIONS } from './settings.js';

const parallelism = availableParallelism();
const pool = new Piscina({
  filename: new URL('kernels.js', import.meta.url).href,
  minThreads: parallelism,
  maxThreads: parallelism,
});
const workforce = {
  compute: (job) => pool.run(job, { name: 'compute' }),
  computePart: (job) => pool.run(job, { name: 'computePart' }),
  parallelism,
};

const server = createServer(
  HTTP_OPTIONS,
  createApp(() => describe(server, { parallelism, libraries: { piscina: Piscina.version } }), workforce),
);
server.once('close', () => pool.destroy());
serve(server);
