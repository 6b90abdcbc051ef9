// One WebSocket to the Event Hub: frames out, events in, refusals to whom they belong.
//
// There is no reconnection here and no policy: whoever owns a connection decides what happens when it
// is lost.
import { Awaited } from "./awaited.mjs";
import { subscribeFrame } from "./core/subscriptions.mjs";
import { Unavailable } from "./errors.mjs";
import { Gate } from "./gate.mjs";
import { isDoneWithin } from "./limit.mjs";
import { dial, hangUp } from "./websocket.mjs";
import { decodeHubFrame } from "./wire/frame.mjs";

/** @import { Ask } from "./core/subscriptions.mjs" */
/** @import { Socket } from "./websocket.mjs" */
/** @import { Ack, ErrorFrame, EventFrame, Gap, Resume } from "./wire/frame.mjs" */

const CLOSE_TIMEOUT = 1;
const ABNORMAL = 1006;
/** Bytes that may wait in this process to be written; what is published beyond waits in the outbox. */
const HIGH_WATER = 1 << 20;

/**
 * How a connection ended: the Hub's close code (1006: none came), its words, the bytes that had not
 * left this process, and the error that it sent before it closed (`slow_consumer`), if it did.
 * @typedef {{ code: number, reason: string, unsent: number, error: ErrorFrame | null }} Lost
 */

/**
 * One connection to the Event Hub, made with `open`. `onEvent` is called for one event after the other
 * in the order in which the Hub sent them; `onLost` is called once, at the end, whoever ended it.
 */
export class HubConnection {
  /** @type {Socket | null} */
  #socket = null;
  #onEvent;
  #onLost;
  #awaited = new Awaited();
  #ended = new Gate(false);
  #nextId = 0;
  /** @type {ErrorFrame | null} */
  #lastError = null;
  /** The last event that came. @type {EventFrame | null} */
  lastEvent = null;
  /** Characters of the frame whose event `onEvent` is being called with: its size, about. */
  frameSize = 0;
  /** Frames that were no frames of the Hub's (of a newer version, say). */
  ignored = 0;
  /** Called with an error frame that nobody waits for. @type {((error: ErrorFrame) => void) | null} */
  onError = null;
  /** Called when a stream has not kept what a durable was still to get. @type {((gap: Gap) => void) | null} */
  onGap = null;
  /** Called when the Hub has dropped events of `drop_oldest`. @type {((gap: Gap) => void) | null} */
  onDropped = null;

  /**
   * @param {(event: EventFrame) => void} onEvent
   * @param {((lost: Lost) => void) | undefined} onLost
   */
  constructor(onEvent, onLost) {
    this.#onEvent = onEvent;
    this.#onLost = onLost;
  }

  /**
   * Connect and show the token; throws as `dial`.
   * @param {string} endpoint - `ws://127.0.0.1:<port>/ws`
   * @param {string} token - 64 hex digits
   * @param {{ onEvent: (event: EventFrame) => void, onLost?: (lost: Lost) => void, timeout?: number,
   *   isAsked?: boolean }} options - isAsked: whether the Hub is to ask for a sign of life even where it
   *   can see that this thread waits for events
   */
  static async open(endpoint, token, { onEvent, onLost, timeout = 10, isAsked = false }) {
    const connection = new HubConnection(onEvent, onLost);
    const socket = await dial(endpoint, token, { timeout, isAsked });
    connection.#socket = socket;
    socket.onmessage = ({ data }) => connection.#received(data);
    socket.onerror = () => {}; // the close that follows says all
    socket.onclose = ({ code, reason }) => connection.#end(code || ABNORMAL, reason ?? "");
    return connection;
  }

  /** Whether events can be published. */
  get isOpen() {
    return this.#socket !== null && !this.#ended.isOpen;
  }

  /** Whether what is published goes out, instead of piling up in this process. */
  get isWritable() {
    return this.#socket !== null && !this.#ended.isOpen && this.#socket.bufferedAmount < HIGH_WATER;
  }

  /**
   * Ask for everything that matches one of the patterns. After that nothing that matches is missed.
   * Throws the Hub's refusal, Unavailable `connection_lost` or `unreachable` (no answer in time).
   * @param {Omit<Ask, "key" | "mayResume"> & { observe?: boolean }} ask
   * @param {{ resume?: Resume | boolean, timeout?: number }} [options]
   * @returns {Promise<Ack>}
   */
  subscribe(ask, { resume = false, timeout = 10 } = {}) {
    const id = this.#newId();
    return this.ask(id, JSON.stringify(subscribeFrame(id, ask, resume)), timeout);
  }

  /**
   * Ask for no more of it; not an error where there was no such subscription.
   * @param {{ patterns: string[], queue: string | null, durable: string | null }} ask
   * @param {number} [timeout]
   */
  unsubscribe({ patterns, queue, durable }, timeout = 10) {
    const id = this.#newId();
    const options = { ...(queue !== null && { queue }), ...(durable !== null && { durable }) };
    return this.ask(id, JSON.stringify({ type: "unsubscribe", events: patterns, id, ...options }), timeout);
  }

  /**
   * Send a frame whose answer bears a name, and wait for that answer.
   * @param {string | number} name - its `id`, or the `event_id` of an event with `ack`
   * @param {string} frame
   * @param {number} timeout - seconds
   * @returns {Promise<Ack>}
   */
  async ask(name, frame, timeout) {
    this.send(frame);
    return this.#awaited.answer(name, timeout);
  }

  /**
   * Send a frame and go on; throws Unavailable `connection_lost`.
   * @param {string} frame
   */
  send(frame) {
    if (this.#socket === null || this.#ended.isOpen) throw new Unavailable("connection_lost");
    this.#socket.send(frame);
  }

  /**
   * Wait until what waits here to be written is below its limit, at once when it is or when all is over.
   *
   * The interface of a browser's WebSocket tells nobody when it has written. But the Hub answers in
   * order: its answer to a frame says that it has taken everything before.
   */
  async drained() {
    while (this.isOpen && !this.isWritable) {
      const answered = this.unsubscribe({ patterns: [BARRIER], queue: null, durable: null }, Infinity);
      await answered.catch(() => {});
    }
  }

  /** End the connection in an orderly way; returns when it is gone. */
  async close() {
    if (!this.isOpen) return;
    this.#socket?.close(1000);
    if (!(await isDoneWithin(CLOSE_TIMEOUT, this.#ended.passed()))) this.abort();
  }

  /** End the connection at once, without a word. */
  abort() {
    if (this.#socket === null || this.#ended.isOpen) return;
    hangUp(this.#socket);
    this.#end(ABNORMAL, "");
  }

  #newId() {
    this.#nextId += 1;
    return this.#nextId;
  }

  /** @param {unknown} text */
  #received(text) {
    if (this.#ended.isOpen) return;
    const frame = typeof text === "string" ? decodeHubFrame(text) : null;
    if (frame === null) {
      this.ignored += 1;
    } else if (frame.type === "event") {
      this.lastEvent = frame;
      this.frameSize = /** @type {string} */ (text).length;
      this.#onEvent(frame);
    } else if (frame.type === "gap") {
      if (frame.stream === undefined) this.onDropped?.(frame);
      else this.onGap?.(frame);
    } else {
      const isAwaited = this.#awaited.settle(frame);
      if (frame.type === "error") {
        this.#lastError = frame;
        if (!isAwaited) this.onError?.(frame);
      }
    }
  }

  /** @param {number} code @param {string} reason */
  #end(code, reason) {
    if (this.#ended.isOpen) return;
    const unsent = this.#socket?.bufferedAmount ?? 0;
    this.#ended.open();
    this.#awaited.lose();
    const error = this.#lastError?.code === "slow_consumer" ? this.#lastError : null;
    this.#onLost?.({ code, reason, unsent, error });
  }
}

/** A pattern that nobody has subscribed to: giving it up changes nothing. */
const BARRIER = "module.shutdown.barrier";
