// What runs a module's handlers: in order for events, side by side for requests.
//
// A handler that throws is logged with its stack, and the module goes on: this is the edge at which a
// stranger's mistake ends.
import { Line } from "./core/line.mjs";
import { Mark, makeRoom } from "./core/newest.mjs";
import { Patience } from "./core/patience.mjs";
import { Event } from "./event.mjs";
import { Gate } from "./gate.mjs";
import { monotonic } from "./limit.mjs";
import { follow } from "./trace.mjs";
import { matches } from "./wire/subject.mjs";

/** @import { Waiting } from "./core/newest.mjs" */
/** @import { Subscription } from "./core/subscriptions.mjs" */
/** @import { Log } from "./log.mjs" */
/** @import { EventFrame } from "./wire/frame.mjs" */

/** Bytes of events that may wait for one handler; beyond that they are dropped, and it is said. */
export const MAX_BACKLOG = 64 << 20;
const COMPLAIN_EVERY = 5;
const TYPICAL_BYTES = 512;

/** @typedef {EventFrame | Mark} Received */
/** @typedef {(event: EventFrame, outcome: { failure: unknown } | null) => void} Done */

/**
 * One subscription and the function behind it.
 */
export class Handler {
  #handle;
  #concurrency;
  #log;
  #refuse;
  #maxBacklog;
  /** @type {Line<Waiting>} */
  #waiting = new Line();
  #bytes = 0;
  #running = 0;
  #idle = new Gate(true);
  #complainedAt = -Infinity;
  /** Whether events are handled, and not only kept. */
  isStarted = false;
  /** Events that came while the backlog was full, or had to make room then. */
  dropped = 0;
  /** Called with each event that was handled, and what the handler threw. @type {Done | null} */
  done = null;

  /**
   * @param {Subscription} subscription - what it listens to
   * @param {(received: any) => unknown} handle - called with one event; what it throws is logged
   * @param {{ concurrency: number, log: Log, refuse?: (event: EventFrame) => void, maxBacklog?: number }} options
   *   concurrency: how many events are handled at the same time, 1 keeps their order; refuse: called
   *   with each event that is dropped; maxBacklog: bytes that may wait
   */
  constructor(subscription, handle, { concurrency, log, refuse, maxBacklog = MAX_BACKLOG }) {
    this.subscription = subscription;
    this.#handle = handle;
    this.#concurrency = concurrency;
    this.#log = log;
    this.#refuse = refuse;
    this.#maxBacklog = maxBacklog;
  }

  /** Whether an event of this subject is for this handler. @param {string} subject */
  wants(subject) {
    return matches(this.subscription.pattern, subject);
  }

  /** Whether something waits or is being handled. */
  get isBusy() {
    return !this.#idle.isOpen;
  }

  /**
   * Let the handler have an event when its turn comes.
   * @param {Received} event
   * @param {number} [size] - bytes it takes, about
   */
  put(event, size = TYPICAL_BYTES) {
    if (this.isStarted && this.#running < this.#concurrency && this.#waiting.length === 0) {
      const outcome = this.#call(event);
      if (outcome !== null) this.#work(event, outcome);
      return;
    }
    const excess = this.#bytes + size - this.#maxBacklog;
    if (excess > 0 && this.#waiting.length > 0) {
      if (this.subscription.overflow !== "drop_oldest") {
        this.#drop(event);
        return;
      }
      const { dropped, freed } = makeRoom(this.#waiting, excess, new Date().toISOString());
      this.dropped += dropped;
      this.#bytes -= freed;
    }
    this.#waiting.put({ event, size });
    this.#bytes += size;
    this.#idle.close();
    if (this.isStarted && this.#running < this.#concurrency) this.#work();
  }

  /** Begin to handle what has come and what comes. */
  start() {
    this.isStarted = true;
    for (let free = Math.min(this.#concurrency, this.#waiting.length); free > 0; free -= 1) this.#work();
  }

  /** Wait until nothing waits and nothing runs. */
  idle() {
    return this.#idle.passed();
  }

  /** Begin nothing any more; what was still waiting. */
  cancel() {
    this.isStarted = false;
    this.#bytes = 0;
    const rest = this.#waiting.takeAll().map(({ event }) => event);
    if (this.#running === 0) this.#idle.open();
    return /** @type {EventFrame[]} */ (rest.filter((event) => !(event instanceof Mark)));
  }

  /**
   * Handle what waits, one after the other; first, wait for what has been begun.
   * @param {Received} [begun]
   * @param {PromiseLike<unknown>} [outcome]
   */
  async #work(begun, outcome) {
    this.#running += 1;
    this.#idle.close();
    const patience = new Patience(monotonic());
    if (begun !== undefined && outcome !== undefined) await this.#finish(begun, outcome);
    while (this.isStarted) {
      const next = this.#waiting.take();
      if (next === undefined) break;
      this.#bytes -= next.size;
      // Most handlers are functions that just return.
      const promised = this.#call(next.event);
      if (promised !== null) await this.#finish(next.event, promised);
      if (patience.looks && patience.isOver(monotonic())) {
        await new Promise(setImmediate);
        patience.begins(monotonic());
      }
    }
    this.#running -= 1;
    if (this.#running === 0 && this.#waiting.length === 0) this.#idle.open();
  }

  /**
   * Call the handler; what it returned, where that is to be waited for.
   * @param {Received} event
   * @returns {PromiseLike<unknown> | null}
   */
  #call(event) {
    try {
      const outcome = follow("headers" in event ? event.headers : undefined, () => this.#handle(event));
      if (isPromise(outcome)) return outcome;
      this.#succeeded(event);
    } catch (failure) {
      this.#failed(event, failure);
    }
    return null;
  }

  /** @param {Received} event @param {PromiseLike<unknown>} outcome */
  async #finish(event, outcome) {
    try {
      await outcome;
      this.#succeeded(event);
    } catch (failure) {
      this.#failed(event, failure);
    }
  }

  /** @param {Received} event */
  #succeeded(event) {
    if (!(event instanceof Mark)) this.done?.(event, null);
  }

  /** @param {Received} event @param {unknown} failure */
  #failed(event, failure) {
    const what = event instanceof Mark ? `onGap of ${this.subscription.pattern}` : new Event(event);
    this.#log.error("handler.failed %s", what, asError(failure));
    if (!(event instanceof Mark)) this.done?.(event, { failure });
  }

  /** @param {Received} event */
  #drop(event) {
    this.dropped += 1;
    const now = monotonic();
    if (now - this.#complainedAt >= COMPLAIN_EVERY) {
      this.#complainedAt = now;
      const { pattern } = this.subscription;
      this.#log.error("handler.overflowed pattern=%s dropped=%d waiting=%d bytes=%d", pattern, this.dropped, this.#waiting.length, this.#bytes);
    }
    if (!(event instanceof Mark)) this.#refuse?.(event);
  }
}

/** @param {unknown} value @returns {value is PromiseLike<unknown>} */
export const isPromise = (value) =>
  value !== null && typeof value === "object" && typeof (/** @type {{ then?: unknown }} */ (value).then) === "function";

/** What was thrown, as something with a stack. @param {unknown} failure */
export const asError = (failure) => (failure instanceof Error ? failure : new Error(`thrown: ${String(failure)}`));
