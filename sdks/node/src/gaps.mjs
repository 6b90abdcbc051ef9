// Tells a handler that wants the newest what was dropped for it: its `onGap`, or else the log.
import { Mark } from "./core/newest.mjs";
import { monotonic } from "./limit.mjs";

/** @import { Received } from "./handlers.mjs" */
/** @import { Log } from "./log.mjs" */
/** @import { EventFrame } from "./wire/frame.mjs" */

/** @typedef {(gap: { missed: number, since: string }) => unknown} OnGap */

const COMPLAIN_EVERY = 5;

/**
 * What stands in front of a handler's function.
 * @param {string} pattern
 * @param {(event: EventFrame) => unknown} receive - gets the events
 * @param {OnGap | null} onGap - gets what tells of those that are missing; null: the log does, now and then
 * @param {Log} log
 * @returns {(received: Received) => unknown}
 */
export function tellingGaps(pattern, receive, onGap, log) {
  let untold = 0;
  let toldAt = -Infinity;
  return (received) => {
    if (!(received instanceof Mark)) return receive(received);
    if (onGap !== null) return onGap({ missed: received.missed, since: received.since });
    untold += received.missed;
    const now = monotonic();
    if (now - toldAt >= COMPLAIN_EVERY) {
      log.warn("events.dropped pattern=%s missed=%d since=%s", pattern, untold, received.since);
      [toldAt, untold] = [now, 0];
    }
    return undefined;
  };
}
