// Bun listens with a backlog of 512, and has no option for it: node:http's is ignored.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

import { dlopen, FFIType } from 'bun:ffi';

import { settings } from '../settings.js';

/** Listens again on every socket that listens: Linux then takes the new backlog. */
export function deepenBacklog() {
  const { symbols, close } = dlopen('libc.so.6', {
    listen: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  });
  const sockets = listeningSockets();
  if (sockets.length === 0) throw new Error('nothing listens yet');
  for (const fd of sockets) {
    if (symbols.listen(fd, settings.backlog) !== 0) throw new Error(`listen(${fd}, ${settings.backlog}) failed`);
  }
  close();
}

function listeningSockets() {
  const names = new Set(
    ['tcp', 'tcp6'].flatMap((family) =>
      readFileSync(`/proc/self/net/${family}`, 'utf8')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter((columns) => columns[3] === '0A') // the state LISTEN
        .map((columns) => `socket:[${columns[9]}]`),
    ),
  );
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => names.has(targetOf(fd)));
}

// The list of open files has the one that read it, which is closed by now.
function targetOf(fd) {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
