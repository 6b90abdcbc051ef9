// What a module tells the Hub about an event of a durable subscription, once it was handled.

/** @import { EventFrame } from "../wire/frame.mjs" */
/** @import { Durable } from "./subscriptions.mjs" */

const FIRST_DELAY = 0.5;
const MOST_DELAY = 60;
const MOST_REASON = 300;

/**
 * Done, or again: later with each attempt. Null for an event that the Hub gave no number.
 * @param {Durable} durable
 * @param {EventFrame} event
 * @param {{ failure: unknown } | null} outcome - null: it was handled
 * @returns {Record<string, unknown> | null}
 */
export function settlementOf(durable, event, outcome) {
  const { seq } = event;
  if (!Number.isInteger(seq)) return null;
  if (outcome === null) return { type: "ack", durable: durable.name, seq };
  const attempt = Number.isInteger(event.attempt) ? Number(event.attempt) : 1;
  return {
    type: "nack",
    durable: durable.name,
    seq,
    delay: Math.min(MOST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt - 1, 30)),
    reason: said(outcome.failure).slice(0, MOST_REASON),
  };
}

/**
 * The kind of a failure and its words, unless saying them fails too.
 * @param {unknown} failure
 */
export function said(failure) {
  try {
    return failure instanceof Error ? `${failure.name}: ${failure.message}` : String(failure);
  } catch {
    return typeof failure;
  }
}
