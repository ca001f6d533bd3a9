import json
import os
import platform
import re
import signal
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JSON_TYPE = "application/json"
BACKLOG = 4096
KEEP_ALIVE_S = 75


def healthz(query):
    return 200, "text/plain; charset=utf-8", "ok"


def greet(query):
    n = ""
    for member in query.split("&"):
        name, equals, value = member.partition("=")
        if equals and decode(name) == "n":
            n = decode(value)
    if not re.fullmatch("[1-9]", n):
        return 400, JSON_TYPE, '{"error":"n must be a whole number from 1 to 9"}'
    return 200, "text/plain", f"hello {n}"


def decode(text):
    return re.sub("%([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text.replace("+", " "))


def identity(query):
    soft, hard = re.search(r"^Max open files\s+(\d+)\s+(\d+)", read("/proc/self/limits"), re.M).groups()
    limit = read("/sys/fs/cgroup/memory.max") or read("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    described = {
        "runtime": "greet-py",
        "runtime_version": platform.python_version(),
        "build": {},
        "model": "threads",
        "workers": 1,
        "parallelism": 1,
        "gil": True,
        "backlog": BACKLOG,
        "keep_alive_s": KEEP_ALIVE_S,
        "access_log": False,
        "process": {
            "uid": os.geteuid(),
            "nofile_soft": int(soft),
            "nofile_hard": int(hard),
            "cap_eff": status("CapEff"),
            "no_new_privs": status("NoNewPrivs") == "1",
            "root_read_only": re.search(" / / ro[ ,]", read("/proc/self/mountinfo")) is not None,
            "cpus_allowed": status("Cpus_allowed_list"),
            "memory_limit": int(limit),
            "somaxconn": int(read("/proc/sys/net/core/somaxconn")),
            "local_port_range": " ".join(read("/proc/sys/net/ipv4/ip_local_port_range").split()),
            "interfaces": [name for _, name in socket.if_nameindex()],
        },
    }
    return 200, JSON_TYPE, json.dumps(described)


def status(name):
    found = re.search(rf"^{name}:\s*(.*)$", read("/proc/self/status"), re.M)
    return found[1] if found else ""


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""  # a file of the other version of cgroups


ROUTES = {"/healthz": healthz, "/identity": identity, "/greet": greet}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = KEEP_ALIVE_S
    wbufsize = -1  # the head and the body of an answer go out together

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        status, kind, body = 404, JSON_TYPE, '{"error":"not found"}'
        if path in ROUTES and self.command in ("GET", "HEAD"):
            status, kind, body = ROUTES[path](query)
        elif path in ROUTES:
            status, kind, body = 405, JSON_TYPE, '{"error":"method not allowed"}'
        self.send_response_only(status)
        self.send_header("date", self.date_time_string())
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if status == 405:
            self.send_header("allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = BACKLOG
    daemon_threads = True


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
