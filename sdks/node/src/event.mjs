// What a handler gets: an event, or a request that waits for an answer.

/** @import { EventFrame } from "./wire/frame.mjs" */

const NOTHING = Object.freeze({});

/** One event as a handler sees it. Do not change `data` if other handlers get it too. */
export class Event {
  #frame;

  /** @param {Event} event */
  static frameOf(event) {
    return event.#frame;
  }

  /** @param {EventFrame} frame */
  constructor(frame) {
    this.#frame = frame;
    /** Its name, `docs.file.changed`. */
    this.subject = frame.event;
    /** What the publisher sent. @type {any} */
    this.data = frame.data ?? null;
  }

  /** Unique per source; a subscriber that must not act twice remembers it. */
  get id() {
    return this.#frame.event_id ?? "";
  }

  /** The module that published it, or `operator`. */
  get source() {
    return this.#frame.source ?? "";
  }

  /** When, RFC 3339 UTC. */
  get timestamp() {
    return this.#frame.timestamp ?? "";
  }

  /** Names and values that travel along. @returns {Readonly<Record<string, unknown>>} */
  get headers() {
    return this.#frame.headers ?? NOTHING;
  }

  /** The subject on which an answer is expected, or null. */
  get replyTo() {
    return this.#frame.reply_to || null;
  }

  /** Its number in its stream, where it comes through a durable subscription; else null. */
  get seq() {
    return Number.isInteger(this.#frame.seq) ? Number(this.#frame.seq) : null;
  }

  /** The how many-th delivery of it that is, from 1. */
  get attempt() {
    return Number.isInteger(this.#frame.attempt) ? Number(this.#frame.attempt) : 1;
  }

  toString() {
    return `<${this.constructor.name} ${this.subject} ${this.id} from ${this.source}>`;
  }
}

/** What has come, as it came. @param {Event} event */
export const frameOf = (event) => Event.frameOf(event);

/** An event whose publisher waits for the handler's answer. */
export class Request extends Event {
  /** The instant from which on nobody waits any more, or null. @returns {Date | null} */
  get deadline() {
    return deadlineOf(this.headers);
  }
}

/** With its offset: an instant without one is none. */
const INSTANT = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/**
 * The instant in the header `kite-deadline` (RFC 3339); null where there is none.
 * @param {Readonly<Record<string, unknown>>} headers
 */
export function deadlineOf(headers) {
  const text = headers["kite-deadline"];
  if (typeof text !== "string" || !INSTANT.test(text)) return null;
  const instant = new Date(text.replace(" ", "T").toUpperCase());
  return Number.isNaN(instant.getTime()) ? null : instant;
}
