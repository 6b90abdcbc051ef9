// Which subscriptions a module needs, and on how many connections.
//
// A connection gets one copy of an event however many of its subscriptions match, and the frame does
// not say which one it is for. Two handlers whose patterns may match the same subject, but which
// disagree about the queue group or the echo, would see each other's events if they shared a
// connection: they get one each. So do those with `drop_oldest`, as a frame `gap` does not say either
// which subscription it is for. All others share the first.
import { overlaps } from "../wire/subject.mjs";

/**
 * @typedef {object} Durable
 * @property {string} name - of the durable subscription, in this module
 * @property {string | null} stream - which; null where only one can be meant
 * @property {string | number} start - where a new one begins: `new`, `all`, a sequence number, or an
 *   RFC 3339 instant
 * @property {number} ackWait - seconds until an event that is not done is delivered again
 * @property {number} maxDeliver - attempts until it is a dead letter
 * @property {number} maxInFlight - events that are here and not done
 */

/** @typedef {"hold" | "drop_oldest"} Overflow */

/**
 * @typedef {object} Subscription
 * @property {string} pattern
 * @property {string | null} queue - a queue group, of which one member gets each event
 * @property {boolean} echo - whether the module's own events come too
 * @property {Durable | null} durable - of a stream, on a connection where there is nothing else: what a
 *   stranger writes into an event cannot look like a delivery
 * @property {Overflow} overflow
 */

/** @type {Omit<Subscription, "pattern">} */
export const PLAIN = { queue: null, echo: true, durable: null, overflow: "hold" };

/** @param {Subscription} one @param {Subscription} other */
function conflict(one, other) {
  if (one.overflow === "drop_oldest" || other.overflow === "drop_oldest") return !isSame(one, other);
  if ((one.durable === null) !== (other.durable === null)) return true;
  if (one.durable !== null) return false;
  const differ = one.queue !== other.queue || one.echo !== other.echo;
  return differ && overlaps(one.pattern, other.pattern);
}

/** @param {Subscription} one @param {Subscription} other */
export function isSame(one, other) {
  return one.pattern === other.pattern && optionsOf(one) === optionsOf(other);
}

/** @param {Subscription} subscription */
function optionsOf({ queue, echo, durable, overflow }) {
  return JSON.stringify([queue, echo, overflow, durable]);
}

/**
 * Spread subscriptions over connections: as few as a first fit finds, without duplicates.
 * @param {Subscription[]} subscriptions
 * @returns {Subscription[][]}
 */
export function arrange(subscriptions) {
  /** @type {Subscription[][]} */
  const connections = [[]];
  for (const subscription of subscriptions) {
    const fitting = connections.find((group) => !group.some((other) => conflict(subscription, other)));
    if (fitting === undefined) connections.push([subscription]);
    else if (!fitting.some((other) => isSame(subscription, other))) fitting.push(subscription);
  }
  return connections;
}

/**
 * One subscribe frame: the patterns that share their options, each granted whole or refused whole.
 * `key` tells it from the others.
 * @typedef {{ key: string, patterns: string[], queue: string | null, echo: boolean,
 *   durable: Durable | null, overflow: Overflow, mayResume: boolean }} Ask
 */

/**
 * The subscribe frames that restore the subscriptions, in the order in which they were made.
 * @param {Subscription[]} subscriptions
 * @returns {Ask[]}
 */
export function asksOf(subscriptions) {
  /** @type {Map<string, Ask>} */
  const grouped = new Map();
  for (const subscription of subscriptions) {
    const options = optionsOf(subscription);
    const { pattern, queue, echo, durable, overflow } = subscription;
    const ask = grouped.get(options);
    if (ask) ask.patterns.push(pattern);
    // What a queue missed the others got, and a durable subscription sees to it itself.
    else grouped.set(options, { key: options, patterns: [pattern], queue, echo, durable, overflow, mayResume: queue === null && durable === null });
  }
  return [...grouped.values()];
}

/**
 * A subscription as its frame.
 * @param {string | number} id - by which its answer is known
 * @param {Omit<Ask, "key" | "mayResume"> & { observe?: boolean }} ask
 * @param {import("../wire/frame.mjs").Resume | boolean} resume - how far an earlier connection had
 *   heard; true: say from where it may be resumed
 */
export function subscribeFrame(id, { patterns, queue, echo, durable, overflow, observe = false }, resume) {
  return {
    type: "subscribe",
    events: patterns,
    id,
    ...(queue !== null && { queue }),
    ...(!echo && { echo }),
    ...(observe && { observe }),
    ...(overflow !== "hold" && { overflow }),
    ...(resume && { resume }),
    ...(durable && durableOptions(durable)),
  };
}

/** @param {Durable} durable */
function durableOptions({ name, stream, start, ackWait, maxDeliver, maxInFlight }) {
  const isWord = start === "new" || start === "all";
  return {
    durable: name,
    ...(stream !== null && { stream }),
    start: isWord ? start : typeof start === "number" ? { seq: start } : { time: start },
    ack_wait: ackWait,
    max_deliver: maxDeliver,
    max_in_flight: maxInFlight,
  };
}
