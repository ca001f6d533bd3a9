// Rooms: who publishes what, and to whom it goes. How it goes is for each server.
import { Buffer, isUtf8 } from 'node:buffer';

import { Refusal } from './refusal.js';

export const MAX_MESSAGE_BYTES = 4_096;

/** What is held for a subscriber that does not read, besides the kernel's buffers. */
export const MAX_HELD_BYTES = 262_144;

/** The names of rooms, for paths. */
export const ROOM_NAME = '[a-z0-9-]{1,64}';

const ROOM_PATH = new RegExp(`^/rooms/(${ROOM_NAME})/(messages|events|socket)$`);

const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

/** The room and the endpoint that a path names, or undefined. */
export function parseRoomPath(path) {
  const found = ROOM_PATH.exec(path);
  return found === null ? undefined : { room: found[1], endpoint: found[2] };
}

/** The body or the frame is not a message. */
export class InvalidMessage extends Refusal {
  constructor() {
    super(400, 'not a valid message');
  }
}

/**
 * The text of a message.
 * @param {Buffer} bytes
 */
export function parseMessage(bytes) {
  // toString() would quietly replace what is not UTF-8.
  if (!isUtf8(bytes)) throw new InvalidMessage();
  const text = bytes.toString();
  if (!isMessage(text)) throw new InvalidMessage();
  return text;
}

/** Whether a text that is well-formed and not too large is a message. */
export function isMessage(text) {
  return text !== '' && !CONTROL_CHARACTER.test(text);
}

/** A message of a room, in the forms in which it is sent; each is made once for all subscribers. */
export class Message {
  #event;
  #frame;

  constructor(number, text) {
    this.number = number;
    this.text = text;
  }

  /** For server-sent events. */
  get event() {
    this.#event ??= Buffer.from(`id: ${this.number}\ndata: ${this.text}\n\n`);
    return this.#event;
  }

  /** The payload of a frame. */
  get frame() {
    this.#frame ??= Buffer.from(`${this.number} ${this.text}`);
    return this.#frame;
  }
}

/** The first line of an event stream: the subscriber is in the room. */
export const SUBSCRIBED = ': subscribed\n\n';

/** The rooms of this process, which gives the numbers. */
export class Rooms {
  #rooms = new Map();

  /** Gives the text to all subscribers of a room, and returns its number. */
  publish(name, text) {
    const room = this.#room(name);
    room.last += 1;
    const message = new Message(room.last, text);
    for (const deliver of room.subscribers) deliver(message);
    return message.number;
  }

  /**
   * Calls deliver with every message from now on.
   * @param {(message: Message) => void} deliver
   * @returns {() => void} ends the subscription
   */
  subscribe(name, deliver) {
    const { subscribers } = this.#room(name);
    subscribers.add(deliver);
    return () => subscribers.delete(deliver);
  }

  #room(name) {
    let room = this.#rooms.get(name);
    if (room === undefined) {
      room = { last: 0, subscribers: new Set() };
      this.#rooms.set(name, room);
    }
    return room;
  }
}
