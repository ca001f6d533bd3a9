"""Calls to the upstream from an event loop.

aiohttp's client, because it is what asyncio services take that make many calls:
its parser is C, and it needs a fraction of the CPU time per request of httpx.
"""

import aiohttp

from lab_app.errors import UpstreamFailed
from lab_app.parameters import MAX_WAIT_MS
from lab_app.settings import KEEP_ALIVE_S, UPSTREAM_URL


class Upstream:
    """A pool of connections; a context manager within a running event loop."""

    async def __aenter__(self):
        self._session = aiohttp.ClientSession(
            # aiohttp's own limits are 100 connections, and 300 s for a request.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=MAX_WAIT_MS / 1000 + 10, sock_connect=10),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_):
        await self._session.close()

    async def wait(self, ms):
        """What the upstream says after ms milliseconds."""
        # A GET on a connection that the upstream has closed meanwhile is sent
        # again by aiohttp, on a new one.
        try:
            async with self._session.get(f"{UPSTREAM_URL}/wait?ms={ms}") as response:
                response.raise_for_status()
                return await response.text()
        except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError):
            raise UpstreamFailed from None
