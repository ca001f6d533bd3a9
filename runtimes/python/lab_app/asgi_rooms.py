"""Rooms as raw ASGI, beside what asgi answers."""

import re

from lab_app import asgi
from lab_app.errors import Refusal
from lab_app.rooms import (
    MAX_MESSAGE_BYTES,
    ROOM_NAME,
    SUBSCRIBED,
    InvalidMessage,
    NotAHandshake,
    Rooms,
    first_of,
    parse_message,
    require_message,
)

PATH = re.compile(f"/rooms/({ROOM_NAME})/(messages|events|socket)")
POLICY_VIOLATION = 1008


def create_app(identity):
    """The ASGI application; identity is called to answer GET /identity."""
    return Application(identity)


class Application(asgi.Application):
    def __init__(self, identity):
        super().__init__(identity)
        self._rooms = Rooms()
        self._methods = {
            "messages": {"POST": self._post_message},
            "events": {"GET": self._get_events},
            "socket": {"GET": refuse},
        }

    async def __call__(self, scope, receive, send):
        place = PATH.fullmatch(scope["path"]) if scope["type"] != "lifespan" else None
        if scope["type"] == "websocket":
            await receive()  # websocket.connect
            if place is None or place[2] != "socket":
                await send({"type": "websocket.close"})
            else:
                await self._join(place[1], receive, send)
        elif place is None:
            await super().__call__(scope, receive, send)
        else:
            await self._answer(self._methods[place[2]], place[1], scope, receive, send)

    async def _answer(self, methods, room, scope, receive, send):
        answer = methods.get(scope["method"])
        if answer is None:
            allow = (b"allow", ", ".join(methods).encode())
            await asgi.respond_error(send, 405, "method not allowed", allow)
            return
        try:
            await answer(room, scope, receive, send)
        except Refusal as refusal:
            await asgi.respond_error(send, refusal.status, refusal.error)
        except asgi.Disconnected:
            pass

    async def _post_message(self, room, scope, receive, send):
        body = bytearray()
        async for chunk in asgi.body_chunks(scope, receive, MAX_MESSAGE_BYTES):
            body += chunk
        number = self._rooms.publish(room, parse_message(body))
        await asgi.respond_json(send, {"number": number})

    async def _get_events(self, room, scope, receive, send):
        async def deliver():
            async for message in subscriber:
                await send_part(message.event)

        async def send_part(part):
            await send({"type": "http.response.body", "body": part, "more_body": True})

        async def listen():
            while (await receive())["type"] != "http.disconnect":
                pass

        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        subscriber = self._rooms.subscribe(room)
        try:
            await send_part(SUBSCRIBED)
            # An answer that is not complete when this returns ends its connection.
            await first_of(deliver(), listen(), subscriber.given_up.wait())
        except OSError:
            pass  # the client has gone
        finally:
            self._rooms.unsubscribe(room, subscriber)

    async def _join(self, room, receive, send):
        async def deliver():
            async for message in subscriber:
                await send({"type": "websocket.send", "text": message.frame})

        async def listen():
            while (event := await receive())["type"] == "websocket.receive":
                self._rooms.publish(room, require_message(event.get("text")))

        subscriber = self._rooms.subscribe(room)
        try:
            await send({"type": "websocket.accept"})
            # A connection whose application has returned ends.
            await first_of(deliver(), listen(), subscriber.given_up.wait())
        except InvalidMessage:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        except OSError:
            pass  # the client has gone
        finally:
            self._rooms.unsubscribe(room, subscriber)


async def refuse(room, scope, receive, send):
    raise NotAHandshake
