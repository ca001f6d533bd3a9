"""Rooms on FastAPI: its server-sent events, and Starlette's WebSocket."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response, WebSocket
from fastapi.requests import HTTPConnection
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.websockets import WebSocketDisconnect

from lab_app import fastapi_app
from lab_app.rooms import (
    MAX_MESSAGE_BYTES,
    ROOM_NAME,
    InvalidMessage,
    NotAHandshake,
    Rooms,
    Subscriber,
    first_of,
    parse_message,
    require_message,
)

POLICY_VIOLATION = 1008


class RoomConvertor(StringConvertor):
    regex = ROOM_NAME


register_url_convertor("room", RoomConvertor())

router = APIRouter(prefix="/rooms/{room:room}")


def create_app(identity: Callable[[], dict[str, Any]]) -> FastAPI:
    """The application; identity is called to answer GET /identity."""
    app = fastapi_app.create_app(identity, router)
    app.state.rooms = Rooms()
    return app


async def the_rooms(connection: HTTPConnection) -> Rooms:
    return connection.app.state.rooms


TheRooms = Annotated[Rooms, Depends(the_rooms)]


class Published(BaseModel):
    number: int


@router.post("/messages")
async def post_message(room: str, request: Request, rooms: TheRooms) -> Published:
    body = bytearray()
    async for chunk in fastapi_app.body_chunks(request, MAX_MESSAGE_BYTES):
        body += chunk
    return Published(number=rooms.publish(room, parse_message(body)))


@router.get("/events", response_class=EventSourceResponse)
async def get_events(room: str, rooms: TheRooms, response: Response) -> AsyncIterator[ServerSentEvent]:
    # The stream ends when its subscriber is given up, and its connection with it.
    response.headers["connection"] = "close"
    subscriber = rooms.subscribe(room)
    try:
        yield ServerSentEvent(comment="subscribed")
        async for message in subscriber:
            yield ServerSentEvent(id=str(message.number), raw_data=message.text)
    finally:
        rooms.unsubscribe(room, subscriber)


@router.get("/socket")
async def get_socket(room: str) -> None:
    raise NotAHandshake


@router.websocket("/socket")
async def join(websocket: WebSocket, room: str, rooms: TheRooms) -> None:
    subscriber = rooms.subscribe(room)
    try:
        await websocket.accept()
        await first_of(
            deliver(subscriber, websocket),
            listen(rooms, room, websocket),
            subscriber.given_up.wait(),
        )
    except InvalidMessage:
        await websocket.close(POLICY_VIOLATION)
    except WebSocketDisconnect:
        pass
    finally:
        rooms.unsubscribe(room, subscriber)


async def deliver(subscriber: Subscriber, websocket: WebSocket) -> None:
    async for message in subscriber:
        await websocket.send_text(message.frame)


async def listen(rooms: Rooms, room: str, websocket: WebSocket) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        rooms.publish(room, require_message(message.get("text")))
