"""Rooms: who publishes what, and to whom it goes. How it goes is for each server."""

import asyncio
import re
from collections import defaultdict

from lab_app.errors import Refusal

MAX_MESSAGE_BYTES = 4_096

# What is held for a subscriber that does not read, besides the kernel's buffers.
# asyncio's and uvloop's transports hold up to 64 KiB before send() waits.
MAX_HELD_BYTES = 262_144 - 65_536

ROOM_NAME = "[a-z0-9-]{1,64}"

_CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f]")


class InvalidMessage(Refusal):
    """The body or the frame is not a message."""

    def __init__(self):
        super().__init__(400, "not a valid message")


class NotAHandshake(Refusal):
    """The request does not ask for a WebSocket."""

    def __init__(self):
        super().__init__(400, "not a websocket request")


def parse_message(body):
    """The text of a message."""
    try:
        return require_message(body.decode())
    except UnicodeDecodeError:
        raise InvalidMessage from None


def require_message(text):
    """The text, if it is a message. None stands for a frame that is not text."""
    if not text or _CONTROL_CHARACTER.search(text):
        raise InvalidMessage
    return text


class Message:
    """A message of a room, in the forms in which it is sent; each is made once."""

    __slots__ = ("event", "frame", "number", "size", "text")

    def __init__(self, number, text):
        self.number = number
        self.text = text
        self.frame = f"{number} {text}"
        self.event = f"id: {number}\ndata: {text}\n\n".encode()
        self.size = len(self.event)


# The first line of an event stream: the subscriber is in the room.
SUBSCRIBED = b": subscribed\n\n"


class Subscriber:
    """The messages of one room that one client has not got yet: an async iterator,
    which ends when too much is held."""

    def __init__(self):
        self._queue = asyncio.Queue()
        self._held = 0
        self.given_up = asyncio.Event()

    def deliver(self, message):
        self._held += message.size
        if self._held > MAX_HELD_BYTES:
            self._queue.shutdown(immediate=True)
            self.given_up.set()
        else:
            self._queue.put_nowait(message)

    async def __aiter__(self):
        while True:
            try:
                message = await self._queue.get()
            except asyncio.QueueShutDown:
                return
            yield message
            # Whoever iterates has sent it, or the transport holds it.
            self._held -= message.size


class Room:
    def __init__(self):
        self.last = 0
        self.subscribers = set()


class Rooms:
    """The rooms of this process, which gives the numbers."""

    def __init__(self):
        self._rooms = defaultdict(Room)

    def publish(self, name, text):
        """Gives the text to all subscribers of a room, and returns its number."""
        room = self._rooms[name]
        room.last += 1
        message = Message(room.last, text)
        for subscriber in list(room.subscribers):
            subscriber.deliver(message)
            if subscriber.given_up.is_set():
                room.subscribers.discard(subscriber)
        return room.last

    def subscribe(self, name):
        subscriber = Subscriber()
        self._rooms[name].subscribers.add(subscriber)
        return subscriber

    def unsubscribe(self, name, subscriber):
        self._rooms[name].subscribers.discard(subscriber)


async def first_of(*coroutines):
    """Runs all of them until one ends, and cancels the others."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()
