// What waits for a handler that wants the newest: the oldest makes room, and a mark stands in its place.
//
// It waits in line like the events, so that the handler is told of what is missing where it is missing.

/** @import { EventFrame } from "../wire/frame.mjs" */
/** @import { Line } from "./line.mjs" */

/** Bytes that wait for such a handler, as many as in the Hub's outbox: what is older is not wanted. */
export const MAX_BACKLOG = 4 << 20;

/** A mark in the line: events are missing here. */
export class Mark {
  /** @param {number} missed @param {string} since - RFC 3339 */
  constructor(missed, since) {
    this.missed = missed;
    this.since = since;
  }
}

/** @typedef {{ event: EventFrame | Mark, size: number }} Waiting */

/**
 * Drop the oldest of what waits, and leave one mark for all that are missing in front.
 * @param {Line<Waiting>} waiting - at least one
 * @param {number} excess - bytes that are too many
 * @param {string} now - RFC 3339
 * @returns {{ dropped: number, freed: number }} how many events, and the bytes that they took
 */
export function makeRoom(waiting, excess, now) {
  let [dropped, freed, missed, since] = [0, 0, 0, ""];
  while (freed < excess) {
    const taken = waiting.take();
    if (taken === undefined) break;
    freed += taken.size;
    if (taken.event instanceof Mark) {
      missed += taken.event.missed;
      since ||= taken.event.since;
    } else dropped += 1;
  }
  waiting.putFirst({ event: new Mark(missed + dropped, since || now), size: 0 });
  return { dropped, freed };
}
