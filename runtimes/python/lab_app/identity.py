"""What this process says of itself, read where the kernel says it."""

import hashlib
import os
import platform
import re
import sys
import sysconfig

from lab_app.settings import MODEL, PARALLELISM


def describe(*, workers, backlog, keep_alive_s, access_log, build):
    """The answer to GET /identity. The arguments are what the server in use says
    of itself; build names its versions and parts."""
    return {
        "runtime": "python",
        "runtime_version": platform.python_version(),
        "build": _interpreter() | build,
        "model": MODEL,
        "workers": workers,
        "parallelism": PARALLELISM,
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "backlog": backlog,
        "keep_alive_s": keep_alive_s,
        "access_log": access_log,
        "process": _process_limits(),
    }


def _interpreter():
    # As recorded when Python was configured. Debian records its shared build,
    # and runs another: there these two say nothing of the executable.
    configured = sysconfig.get_config_var("CONFIG_ARGS") or ""
    jit = getattr(sys, "_jit", None)
    return {
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "arch": platform.machine(),
        "sha256": hashlib.sha256.__module__,  # _hashlib is OpenSSL's
        "configured_optimizations": _flag("--enable-optimizations" in configured),
        "configured_lto": _flag("--with-lto" in configured),
        "free_threading": _flag(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "debug": _flag(sysconfig.get_config_var("Py_DEBUG")),
        "jit": _flag(jit is not None and jit.is_enabled()),
    }


def _flag(value):
    return "true" if value else "false"


def _process_limits():
    status = _fields(_read("/proc/self/status"))
    nofile = re.search(r"^Max open files\s+(\d+)\s+(\d+)", _read("/proc/self/limits"), re.M)
    return {
        "uid": os.geteuid(),
        "nofile_soft": int(nofile[1]) if nofile else 0,
        "nofile_hard": int(nofile[2]) if nofile else 0,
        "cap_eff": status.get("CapEff", ""),
        "no_new_privs": status.get("NoNewPrivs") == "1",
        "root_read_only": _root_read_only(_read("/proc/self/mountinfo")),
        "cpus_allowed": status.get("Cpus_allowed_list", ""),
        "memory_limit": _memory_limit(),
        "somaxconn": int(_read("/proc/sys/net/core/somaxconn") or 0),
        "local_port_range": " ".join(_read("/proc/sys/net/ipv4/ip_local_port_range").split()),
        "interfaces": sorted(re.findall(r"^\s*([^\s:]+):", _read("/proc/net/dev"), re.M)),
    }


def _read(path):
    """The file's text; empty where this system has none: macOS has no /proc."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _fields(text):
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, colon, value in pairs if colon}


def _root_read_only(mountinfo):
    # The last mount on / is the one in sight.
    mounts = (line.split(" ") for line in mountinfo.splitlines())
    roots = [mount for mount in mounts if mount[4] == "/"]
    return bool(roots) and "ro" in roots[-1][5].split(",")


def _memory_limit():
    """The limit of this container in bytes, from cgroup v2 or else v1; 0 is none."""
    limit = _read("/sys/fs/cgroup/memory.max") or _read("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    limit = limit.strip()
    # cgroup v1 says "none" with a number near 2**63.
    return int(limit) if limit.isdigit() and int(limit) < 2**53 else 0
