// What this process says of itself, read where the kernel says it.
import { readFileSync } from 'node:fs';
import process from 'node:process';

import { settings } from './settings.js';

/**
 * The answer to GET /identity, all of it as it is in use.
 * @param {{ keepAliveTimeout: number }} server node:http's, or the options of another
 * @param {{ workers?: number, parallelism?: number, libraries?: Record<string, string> }} variant
 *   processes that accept requests, parts of CPU work at the same time, and versions by name
 * @param {(path: string) => string} read gives the text of a file of the kernel's
 */
export function describe(server, { workers = 1, parallelism = 1, libraries = {} } = {}, read = readKernelFile) {
  return {
    runtime: 'node',
    runtime_version: process.versions.bun ?? process.versions.deno ?? process.versions.node,
    build: { ...build(), ...libraries },
    model: settings.model,
    workers,
    parallelism,
    gil: null,
    backlog: settings.backlog,
    keep_alive_s: server.keepAliveTimeout / 1000,
    access_log: settings.accessLog,
    process: processLimits(read),
  };
}

// Other runtimes name the versions of Node's parts that they stand in for.
function build() {
  const { bun, webkit, deno, v8: engine, node } = process.versions;
  const { arch } = process;
  if (bun) return { webkit, node, arch, program: process.execPath };
  if (deno) return { v8: engine, node, arch };
  return buildOfNode();
}

function buildOfNode() {
  const { v8, uv, llhttp, simdutf } = process.versions;
  const { variables, target_defaults: defaults } = process.config;
  const shared = Object.keys(variables).filter(
    (name) => name.startsWith('node_shared') && variables[name] === true,
  );
  return {
    v8,
    uv,
    llhttp,
    simdutf: simdutf ?? '',
    arch: process.arch,
    configuration: defaults.default_configuration ?? '',
    lto: String(Boolean(variables.enable_lto || variables.enable_thin_lto || variables.node_with_ltcg)),
    pgo: String(Boolean(variables.enable_pgo_use)),
    pointer_compression: String(Boolean(variables.v8_enable_pointer_compression)),
    maglev: String(Boolean(variables.v8_enable_maglev)),
    shared: shared.map((name) => name.slice('node_shared_'.length) || 'node').join(','),
    exec_argv: process.execArgv.join(' '),
    node_options: process.env.NODE_OPTIONS ?? '',
  };
}

function processLimits(read) {
  const status = fields(read('/proc/self/status'));
  const [nofileSoft = 0, nofileHard = 0] = (/^Max open files\s+(\d+)\s+(\d+)/m.exec(read('/proc/self/limits')) ?? [])
    .slice(1)
    .map(Number);
  return {
    uid: Number((status.get('Uid') ?? '').split('\t')[1] || process.getuid()),
    nofile_soft: nofileSoft,
    nofile_hard: nofileHard,
    cap_eff: status.get('CapEff') ?? '',
    no_new_privs: status.get('NoNewPrivs') === '1',
    root_read_only: rootReadOnly(read('/proc/self/mountinfo')),
    cpus_allowed: status.get('Cpus_allowed_list') ?? '',
    memory_limit: memoryLimit(read),
    somaxconn: Number(read('/proc/sys/net/core/somaxconn')),
    local_port_range: read('/proc/sys/net/ipv4/ip_local_port_range').trim().split(/\s+/).join(' '),
    interfaces: interfaces(read('/proc/net/dev')),
  };
}

// Files that this kernel does not have read as empty: macOS has no /proc.
function readKernelFile(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function fields(text) {
  return new Map(
    text
      .split('\n')
      .filter((line) => line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  );
}

// The last mount on / is the one in sight.
function rootReadOnly(mountinfo) {
  const roots = mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .filter((mount) => mount[4] === '/');
  return roots.length > 0 && roots.at(-1)[5].split(',').includes('ro');
}

// The limit of this container in bytes, from cgroup v2 or else v1; 0 is none.
function memoryLimit(read) {
  const limit = Number(
    read('/sys/fs/cgroup/memory.max') || read('/sys/fs/cgroup/memory/memory.limit_in_bytes'),
  );
  return Number.isSafeInteger(limit) ? limit : 0;
}

function interfaces(netDev) {
  return [...netDev.matchAll(/^\s*([^\s:]+):/gm)].map((match) => match[1]).sort();
}
