// The primary of a cluster: one worker for each CPU. It hands connections to
// them in turn, as node:cluster does by default, and parts of CPU work.
//
// The parts of one request go to the workers themselves and not to further
// processes: there is a worker for each CPU already, and more processes would
// only take the CPUs from each other. They go through this process, because it
// alone knows who has none: each worker does one part at a time, the rest queue.
import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { SHUTDOWN_GRACE_MS } from './settings.js';

const waiting = []; // { asker, id, job }: parts that nobody does yet
const free = []; // workers that do none
const doing = new Map(); // the part that a worker does
const drained = new Set(); // workers that have no requests and take no more
let stopping = false;

cluster.setupPrimary({ exec: fileURLToPath(new URL('cluster-worker.js', import.meta.url)) });
for (let i = availableParallelism(); i > 0; i -= 1) free.push(cluster.fork());

cluster.on('message', (worker, message) => {
  switch (message.type) {
    case 'ask':
      waiting.push({ asker: worker, id: message.id, job: message.job });
      break;
    case 'done': {
      const { asker, id } = doing.get(worker);
      doing.delete(worker);
      free.push(worker);
      asker.send({ type: 'answer', id, result: message.result });
      break;
    }
    case 'drained':
      drained.add(worker);
      disconnectDrained();
      break;
  }
  distribute();
});

cluster.on('exit', (worker, code, signal) => {
  if (stopping) {
    if (!drained.has(worker)) disconnectDrained();
    return;
  }
  // A worker forked anew would hide the fault, and what the lost one was doing
  // is lost all the same: whoever runs the server shall see it fail. The other
  // workers end when their primary does.
  console.error(`worker ${worker.process.pid} ended by itself: ${signal ?? `exit code ${code}`}`);
  process.exit(1);
});

function distribute() {
  while (waiting.length > 0 && free.length > 0) {
    const worker = free.shift();
    const part = waiting.shift();
    doing.set(worker, part);
    worker.send({ type: 'do', job: part.job });
  }
}

function stop() {
  if (stopping) return;
  stopping = true;
  const workers = Object.values(cluster.workers);
  for (const worker of workers) worker.process.kill('SIGTERM');
  setTimeout(() => {
    for (const worker of workers) worker.process.kill('SIGKILL');
  }, SHUTDOWN_GRACE_MS).unref();
}

// Not before all are drained: until then one may do parts for another's request.
function disconnectDrained() {
  const workers = Object.values(cluster.workers);
  if (workers.every((worker) => drained.has(worker))) cluster.disconnect();
}

process.once('SIGTERM', stop);
process.once('SIGINT', stop);
