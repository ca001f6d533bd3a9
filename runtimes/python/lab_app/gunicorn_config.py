"""gunicorn's settings for the Flask application, by gunicorn's names for them."""

from importlib.metadata import version

from gunicorn.http import wsgi
from gunicorn.workers import gthread

from lab_app import settings
from lab_app.identity import describe

wsgi_app = "lab_app.flask_app:create_app()"
bind = f"{settings.HOST}:{settings.PORT}"
backlog = settings.BACKLOG
workers = settings.WORKERS
worker_class = "gthread"
threads = settings.THREADS
# Connections without a request need no thread: a poller watches them. Those
# above the limit would wait to be accepted, and the default is 1000.
worker_connections = 32_768
limit_request_line = 8190  # the most there is; others accept more than the default
keepalive = settings.KEEP_ALIVE_S
graceful_timeout = settings.SHUTDOWN_GRACE_S
worker_tmp_dir = "/dev/shm"  # the worker's sign of life; nothing else is writable
control_socket_disable = True
accesslog = None
loglevel = "warning"


class Response(wsgi.Response):
    """An answer without the two headers that gunicorn has no setting for. One that
    is given while the worker stops says that it ends its connection."""

    worker = None  # this process's, once there is one

    def default_headers(self):
        if not self.worker.alive:
            self.force_close()
        return [
            line
            for line in super().default_headers()
            if not line.startswith("Server:") and line != "Connection: keep-alive\r\n"
        ]


wsgi.Response = Response
# How long idle connections outlive a SIGTERM.
gthread.STOP_KEEPALIVE_LINGER = 0


def post_worker_init(worker):
    Response.worker = worker
    worker.wsgi.extensions["identity"] = lambda: identity(worker.cfg)


def identity(cfg):
    """The answer to GET /identity where cfg is the gunicorn configuration in use."""
    return describe(
        workers=cfg.workers,
        backlog=cfg.backlog,
        keep_alive_s=cfg.keepalive,
        access_log=cfg.accesslog is not None,
        build={
            "gunicorn": version("gunicorn"),
            "flask": version("flask"),
            "werkzeug": version("werkzeug"),
            "urllib3": version("urllib3"),
            "event_loop": "none",
            "http": cfg.worker_class.__qualname__,
            "threads": str(cfg.threads),
        },
    )
