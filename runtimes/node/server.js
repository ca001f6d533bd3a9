// One process, one event loop: node:http and nothing else.
import { createServer } from 'node:http';

import { createApp } from './app.js';
import { describe } from './identity.js';
import { serve } from './serve.js';
import { HTTP_OPTIONS } from './settings.js';
import { eventLoop } from './workforce.js';

const server = createServer(
  HTTP_OPTIONS,
  createApp(() => describe(server), eventLoop),
);
serve(server);
