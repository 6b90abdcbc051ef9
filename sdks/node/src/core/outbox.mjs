// What has been published and cannot go out yet: a bounded queue, in order.
import { Unavailable } from "../errors.mjs";
import { Line } from "./line.mjs";

const MAX_EVENTS = 10_000;
const MAX_BYTES = 16 << 20;

/**
 * Frames that wait for a connection that takes them. When it is full the publisher is told so; what
 * is in it already is kept. Nothing is dropped to make room: the caller alone knows what it can do
 * without.
 */
export class Outbox {
  #maxEvents;
  #maxBytes;
  /** @type {Line<string>} */
  #frames = new Line();

  /** @param {{ maxEvents?: number, maxBytes?: number }} [options] */
  constructor({ maxEvents = MAX_EVENTS, maxBytes = MAX_BYTES } = {}) {
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
    /** Bytes waiting. */
    this.size = 0;
  }

  get length() {
    return this.#frames.length;
  }

  /**
   * Keep a frame for later; throws Unavailable `publish_queue_full`, and does not keep it then.
   * @param {string} frame
   */
  put(frame) {
    const bytes = Buffer.byteLength(frame);
    if (this.length >= this.#maxEvents || this.size + bytes > this.#maxBytes) {
      throw new Unavailable("publish_queue_full", { count: this.length, size: this.size });
    }
    this.#frames.put(frame);
    this.size += bytes;
  }

  /** The frame that has waited longest, which stays until it is `taken`; undefined where none waits. */
  get next() {
    return this.#frames.first;
  }

  /** The frame that has waited longest is on its way. */
  taken() {
    this.size -= Buffer.byteLength(this.#frames.take() ?? "");
  }
}
