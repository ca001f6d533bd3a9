import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import process from 'node:process';

const JSON_TYPE = 'application/json';
const BACKLOG = 4096;

const routes = new Map([
  ['/healthz', () => [200, 'text/plain; charset=utf-8', 'ok']],
  ['/identity', () => [200, JSON_TYPE, JSON.stringify(identity())]],
  ['/greet', greet],
]);

function greet(query) {
  let n = '';
  for (const member of query.split('&')) {
    const at = member.indexOf('=');
    if (at >= 0 && decode(member.slice(0, at)) === 'n') n = decode(member.slice(at + 1));
  }
  if (!/^[1-9]$/.test(n)) return [400, JSON_TYPE, '{"error":"n must be a whole number from 1 to 9"}'];
  return [200, 'text/plain', `hello ${n}`];
}

function decode(text) {
  return text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function answer(req, res) {
  const [path] = req.url.split('?', 1);
  const route = routes.get(path);
  let [status, type, body] = [404, JSON_TYPE, '{"error":"not found"}'];
  if (route && (req.method === 'GET' || req.method === 'HEAD')) {
    [status, type, body] = route(req.url.slice(path.length + 1));
  } else if (route) {
    [status, type, body] = [405, JSON_TYPE, '{"error":"method not allowed"}'];
    res.setHeader('allow', 'GET, HEAD');
  }
  if (res.shouldKeepAlive) res.removeHeader('connection');
  res.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  res.end(req.method === 'HEAD' ? '' : body);
}

const server = createServer({ keepAliveTimeout: 75_000 }, answer);
server.listen({ host: process.env.HOST, port: Number(process.env.PORT), backlog: BACKLOG });
process.on('SIGTERM', () => process.exit(0));

function identity() {
  const [soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(read('/proc/self/limits')).slice(1);
  return {
    runtime: 'greet-js',
    runtime_version: process.versions.node,
    build: {},
    model: 'single',
    workers: 1,
    parallelism: 1,
    gil: null,
    backlog: BACKLOG,
    keep_alive_s: server.keepAliveTimeout / 1000,
    access_log: false,
    process: {
      uid: process.getuid(),
      nofile_soft: Number(soft),
      nofile_hard: Number(hard),
      cap_eff: status('CapEff'),
      no_new_privs: status('NoNewPrivs') === '1',
      root_read_only: / \/ \/ ro[ ,]/.test(read('/proc/self/mountinfo')),
      cpus_allowed: status('Cpus_allowed_list'),
      memory_limit: Number(
        read('/sys/fs/cgroup/memory.max') || read('/sys/fs/cgroup/memory/memory.limit_in_bytes'),
      ),
      somaxconn: Number(read('/proc/sys/net/core/somaxconn')),
      local_port_range: read('/proc/sys/net/ipv4/ip_local_port_range').trim().split(/\s+/).join(' '),
      interfaces: Object.keys(networkInterfaces()),
    },
  };
}

function status(name) {
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(read('/proc/self/status'))?.[1] ?? '';
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // a file of the other version of cgroups
  }
}
