// The connections of one session: opened together, subscribed, lost together.
import { HubConnection } from "./connection.mjs";
import { Mark } from "./core/newest.mjs";
import { PLAIN, arrange, asksOf, isSame } from "./core/subscriptions.mjs";
import { Unavailable } from "./errors.mjs";

/** @import { Lost } from "./connection.mjs" */
/** @import { Envelopes } from "./core/envelopes.mjs" */
/** @import { Ask, Subscription } from "./core/subscriptions.mjs" */
/** @import { Handler } from "./handlers.mjs" */
/** @import { ErrorFrame, EventFrame, Gap, Resume } from "./wire/frame.mjs" */

/** @typedef {typeof HubConnection.open} Connect - how a connection is made */

/**
 * @typedef {object} Ears
 * @property {(event: EventFrame) => void} onShutdown - each `module.shutdown`, whomever it names
 * @property {(event: EventFrame, request: string) => void} onAnswer - each answer to a request of this process
 * @property {(error: ErrorFrame) => void} onRefused - the refusal of an event that nobody waits for
 * @property {(gap: Gap) => void} onGap - a stream has not kept what a durable handler was still to get
 * @property {(reason: string) => void} onMissed - what came since the link before cannot be had
 * @property {(link: Link, lost: Lost) => void} onLost - once, when one of the connections is lost; the
 *   others are ended then
 */

const SHUTDOWN = "module.shutdown";
const REMEMBERED_SUBJECTS = 1024;

/** The connections that a module's subscriptions need (one, nearly always). */
export class Link {
  #handlers;
  #envelopes;
  #ears;
  /** @type {HubConnection[]} */
  #connections = [];
  /** @type {Map<string, Handler[]>[]} */
  #routes = [];
  /** @type {Subscription[][]} */
  #groups = [];
  /** @type {Map<string, { ask: Ask, place: Resume | null }>[]} */
  #places = [];
  #isClosing = false;
  isLost = false;

  /**
   * @param {Handler[]} handlers - who gets the events
   * @param {Envelopes} envelopes - tells the module's own events and the answers to its requests
   * @param {Ears} ears
   */
  constructor(handlers, envelopes, ears) {
    this.#handlers = handlers;
    this.#envelopes = envelopes;
    this.#ears = ears;
  }

  /**
   * Connect and subscribe; `module.shutdown` first. Throws as `HubConnection.open` and `subscribe`.
   * @param {Connect} connect
   * @param {string} endpoint
   * @param {string} token
   * @param {{ isAsked: boolean, after: Link | null }} options - after: the link before, of the same
   *   handlers: what was missed since comes first, whole, or `onMissed` is called
   */
  async open(connect, endpoint, token, { isAsked, after }) {
    const control = [SHUTDOWN, this.#envelopes.replies].map((pattern) => ({ pattern, ...PLAIN }));
    this.#groups = arrange([...control, ...this.#handlers.map((handler) => handler.subscription)]);
    this.#routes = this.#groups.map(() => new Map());
    this.#places = this.#groups.map(
      (group, number) => new Map(asksOf(group).map((ask) => [ask.key, { ask, place: after?.place(number, ask.key) ?? null }])),
    );
    /** @type {string | null} */
    let whyNot = null;
    try {
      for (const [number, places] of this.#places.entries()) {
        const connection = await connect(endpoint, token, {
          onEvent: (event) => this.#deliver(number, event),
          onLost: (lost) => this.#ended(lost),
          isAsked,
        });
        this.#connections.push(connection);
        if (this.#isClosing) throw new Unavailable("connection_lost");
        connection.onError = this.#ears.onRefused;
        connection.onGap = this.#ears.onGap;
        connection.onDropped = (gap) => this.#dropped(number, gap);
        whyNot = (await subscribeAll(connection, places)) ?? whyNot;
      }
      if (this.isLost) throw new Unavailable("connection_lost");
    } catch (failure) {
      this.abort();
      throw failure;
    }
    if (whyNot !== null) this.#ears.onMissed(whyNot);
    return this;
  }

  /** The one over which the module publishes. */
  get connection() {
    return this.#connections[0];
  }

  /**
   * How far a subscription of one of the connections has heard; null: nothing was granted yet. Also
   * right where `open` failed half-way: what has come until then was handed on.
   * @param {number} number
   * @param {string} key
   * @returns {Resume | null}
   */
  place(number, key) {
    const place = this.#places[number]?.get(key)?.place ?? null;
    const last = this.#connections[number]?.lastEvent;
    if (place === null || !last) return place;
    return { epoch: place.epoch, source: last.source, event_id: last.event_id };
  }

  /**
   * Ask for no more events for the handlers; what has come stays theirs.
   * @param {number} timeout - seconds
   */
  async unsubscribe(timeout) {
    const mine = this.#handlers.map((handler) => handler.subscription);
    for (const [number, connection] of this.#connections.entries()) {
      const given = this.#groups[number].filter((one) => mine.some((other) => isSame(one, other)));
      for (const { patterns, queue, durable } of asksOf(given)) {
        await connection.unsubscribe({ patterns, queue, durable: durable?.name ?? null }, timeout);
      }
    }
  }

  /**
   * Tell the Hub what has become of an event; without a connection it comes again.
   * @param {Handler} handler
   * @param {Record<string, unknown>} settlement
   */
  settle(handler, settlement) {
    for (const [number, connection] of this.#connections.entries()) {
      if (connection.isOpen && this.#has(number, handler)) connection.send(JSON.stringify(settlement));
    }
  }

  /** End all connections at once; nobody is told. */
  abort() {
    this.#isClosing = true;
    for (const connection of this.#connections) connection.abort();
  }

  /** End all connections in an orderly way; nobody is told. */
  async close() {
    this.#isClosing = true;
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }

  /** @param {number} number @param {Handler} handler */
  #has(number, handler) {
    return this.#groups[number].some((one) => isSame(one, handler.subscription));
  }

  /** @param {number} number @param {EventFrame} event */
  #deliver(number, event) {
    const subject = event.event;
    let wanting = this.#routes[number].get(subject);
    if (wanting === undefined) {
      if (subject === SHUTDOWN && number === 0) this.#ears.onShutdown(event);
      const request = this.#envelopes.requestOf(subject);
      if (request !== null) {
        this.#ears.onAnswer(event, request);
        return;
      }
      wanting = this.#find(number, subject);
    }
    const size = this.#connections[number].frameSize;
    for (const handler of wanting) {
      const { durable, echo } = handler.subscription;
      if (durable !== null && event.durable !== undefined && event.durable !== durable.name) continue;
      if (echo || !this.#envelopes.isOwn(event)) handler.put(event, size);
    }
  }

  /**
   * Events are missing here; they were of the one subscription of this connection.
   * @param {number} number
   * @param {Gap} gap
   */
  #dropped(number, gap) {
    for (const handler of this.#handlers) {
      if (handler.subscription.overflow === "drop_oldest" && this.#has(number, handler)) handler.put(new Mark(gap.missed, gap.since ?? ""), 0);
    }
  }

  /** Who wants events of this subject. @param {number} number @param {string} subject */
  #find(number, subject) {
    const routes = this.#routes[number];
    const found = this.#handlers.filter((handler) => handler.wants(subject) && this.#has(number, handler));
    if (routes.size >= REMEMBERED_SUBJECTS) routes.clear();
    if (subject !== SHUTDOWN) routes.set(subject, found); // an order to go is looked at each time
    return found;
  }

  /** @param {Lost} lost */
  #ended(lost) {
    if (this.isLost) return;
    this.isLost = true;
    if (this.#isClosing) return;
    this.abort();
    this.#ears.onLost(this, lost);
  }
}

/**
 * One after the other goes out, and the answers are waited for together. Notes from where each may be
 * resumed; why something that was missed does not come, if it does not.
 * @param {HubConnection} connection
 * @param {Map<string, { ask: Ask, place: Resume | null }>} places
 */
async function subscribeAll(connection, places) {
  /** @type {string | null} */
  let whyNot = null;
  await Promise.all(
    [...places.values()].map(async (entry) => {
      const { ask, place } = entry;
      const ack = await connection.subscribe(ask, { resume: ask.mayResume && (place ?? true) });
      if (ack.epoch !== undefined) entry.place = { epoch: ack.epoch, position: ack.position };
      if (ack.resumed === false) whyNot = ack.reason ?? "unknown";
    }),
  );
  return /** @type {string | null} */ (whyNot);
}
