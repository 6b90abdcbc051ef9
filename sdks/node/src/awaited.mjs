// What the Hub has been asked over one connection and has not answered yet.
import { Unavailable } from "./errors.mjs";
import { milliseconds } from "./limit.mjs";
import { Refusal } from "./refusal.mjs";

/** @import { Ack, ErrorFrame } from "./wire/frame.mjs" */
/** @typedef {{ resolve: (ack: Ack) => void, reject: (error: Error) => void }} Waiter */

/** Answers by the mark that they come back with: a frame's `id`, or an event's `event_id`. */
export class Awaited {
  /** @type {Map<string | number, Waiter[]>} */
  #waiting = new Map();

  /**
   * Wait for one. Throws a RequestError for the Hub's refusal, Unavailable `connection_lost`, or
   * `unreachable` after `timeout` seconds.
   * @param {string | number} name
   * @param {number} timeout
   * @returns {Promise<Ack>}
   */
  answer(name, timeout) {
    return new Promise((resolve, reject) => {
      const timer = Number.isFinite(timeout) ? setTimeout(() => this.#late(name, waiter), milliseconds(timeout)) : undefined;
      const waiter = {
        resolve: (/** @type {Ack} */ ack) => (clearTimeout(timer), resolve(ack)),
        reject: (/** @type {Error} */ error) => (clearTimeout(timer), reject(error)),
      };
      // The same event may be sent twice (again, by who was unsure): one answer serves both.
      const others = this.#waiting.get(name);
      if (others) others.push(waiter);
      else this.#waiting.set(name, [waiter]);
    });
  }

  /**
   * An answer has come; whether somebody waited for it.
   * @param {Ack | ErrorFrame} frame
   */
  settle(frame) {
    const name = frame.id ?? frame.event_id ?? "";
    const waiters = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    for (const waiter of waiters) {
      if (frame.type === "error") waiter.reject(new Refusal(frame.code, frame.message, frame.params));
      else waiter.resolve(frame);
    }
    return waiters.length > 0;
  }

  /** The connection is lost: no answer comes any more. */
  lose() {
    const waiting = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const waiter of waiting) waiter.reject(new Unavailable("connection_lost"));
  }

  /** @param {string | number} name @param {Waiter} waiter */
  #late(name, waiter) {
    const rest = (this.#waiting.get(name) ?? []).filter((each) => each !== waiter);
    if (rest.length) this.#waiting.set(name, rest);
    else this.#waiting.delete(name);
    waiter.reject(new Unavailable("unreachable", { url: "the event hub", detail: "no answer in time" }));
  }
}
