// Publishing in a life's name: at most once, or until the Hub has said yes.
import { KiteError, Unavailable } from "./errors.mjs";
import { isDoneWithin } from "./limit.mjs";
import { carried } from "./trace.mjs";

/** @import { Headers } from "./core/envelopes.mjs" */
/** @import { Life } from "./life.mjs" */

/**
 * An event that the Hub has accepted: its id, to how many connections it was queued, and whether the
 * Hub had it already because an earlier try had arrived.
 * @typedef {{ id: string, delivered: number, duplicate: boolean, stream: string | null, seq: number | null }} Published
 */

/**
 * See `Module.publish`.
 * @param {Life} life
 * @param {string} subject
 * @param {unknown} data
 * @param {Headers | undefined} headers
 */
export function publish(life, subject, data, headers) {
  const { id, frame } = life.envelopes.write(subject, data, Date.now(), { headers: carried(headers) });
  life.publisher.send(frame);
  return id;
}

/**
 * See `Module.publishAcked`.
 * @param {Life} life
 * @param {string} subject
 * @param {unknown} data
 * @param {Headers | undefined} headers
 * @param {number} timeout - seconds
 * @returns {Promise<Published>}
 */
export async function publishAcked(life, subject, data, headers, timeout) {
  // What cannot be sent is refused now, not after an outage.
  const { id, frame } = life.envelopes.write(subject, data, Date.now(), { headers: carried(headers), ack: true });
  /** @type {Published | null} */
  let published = null;
  let isGivenUp = false;
  const trying = async () => {
    while (!isGivenUp && published === null) {
      await life.publisher.attached();
      if (isGivenUp || life.link === null) continue;
      try {
        const ack = await life.link.connection.ask(id, frame, timeout);
        const { delivered = 0, duplicate = false, stream = null, seq = null } = ack;
        published = { id, delivered, duplicate, stream, seq };
      } catch (failure) {
        // Lost: again over the next connection, under the same id.
        if (!(failure instanceof KiteError && failure instanceof Unavailable)) throw failure;
        await new Promise(setImmediate);
      }
    }
  };
  await isDoneWithin(timeout, trying()).finally(() => (isGivenUp = true));
  if (published === null) throw new Unavailable("connection_lost");
  return published;
}
