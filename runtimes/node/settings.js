// What every variant is told by its environment, and what is fixed for all.
import process from 'node:process';

export const settings = {
  host: process.env.HOST || '127.0.0.1',
  port: Number(process.env.PORT || 8080),
  backlog: 4096,
  accessLog: false,
  model: process.env.WORKER_MODEL || 'single',
};

/** Options of node:http's servers. */
export const HTTP_OPTIONS = { keepAliveTimeout: 75_000 };

export const SHUTDOWN_GRACE_MS = 3_000;
