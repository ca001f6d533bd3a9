"""Calls to the upstream from threads."""

import urllib3

from lab_app.errors import UpstreamFailed
from lab_app.parameters import MAX_WAIT_MS
from lab_app.settings import UPSTREAM_URL


class Upstream:
    """A pool that keeps as many connections as there are threads to use them."""

    def __init__(self, threads):
        self._pool = urllib3.PoolManager(
            maxsize=threads,
            timeout=urllib3.Timeout(connect=10, read=MAX_WAIT_MS / 1000 + 10),
            # Once more, on a new connection, where the upstream has closed this one.
            retries=urllib3.Retry(1, redirect=False),
        )

    def wait(self, ms):
        """What the upstream says after ms milliseconds."""
        try:
            response = self._pool.request("GET", f"{UPSTREAM_URL}/wait?ms={ms}")
            if response.status != 200:
                raise UpstreamFailed
            return response.data.decode()
        except (urllib3.exceptions.HTTPError, UnicodeDecodeError):
            raise UpstreamFailed from None
