// The frames between the Event Hub and its clients. They are plain objects, as their JSON says.

/**
 * @typedef {object} EventFrame
 * @property {"event"} type
 * @property {string} event - the subject
 * @property {string} [event_id]
 * @property {string} [source]
 * @property {string} [timestamp] - RFC 3339 UTC
 * @property {string} [reply_to]
 * @property {Record<string, unknown>} [headers]
 * @property {boolean} [ack]
 * @property {unknown} [stream]
 * @property {unknown} [seq]
 * @property {unknown} [durable]
 * @property {unknown} [attempt]
 * @property {unknown} [data]
 */

/**
 * @typedef {object} Ack
 * @property {"ack"} type
 * @property {string | number} [id]
 * @property {string} [event_id]
 * @property {number} [delivered]
 * @property {boolean} [duplicate]
 * @property {string} [stream]
 * @property {number} [seq]
 * @property {string} [epoch] - of a subscription that may be resumed: the life of the Hub
 * @property {number} [position] - and how many events it had handed out
 * @property {boolean} [resumed] - whether what was missed came whole
 * @property {string} [reason] - why not
 */

/**
 * @typedef {object} ErrorFrame
 * @property {"error"} type
 * @property {string} code
 * @property {string} [message]
 * @property {string | number} [id]
 * @property {string} [event_id]
 * @property {number} [missed]
 * @property {Record<string, unknown>} [params]
 */

/**
 * @typedef {object} Gap
 * @property {"gap"} type
 * @property {number} missed
 * @property {string} [since]
 * @property {string} [stream]
 * @property {number} [first]
 * @property {number} [last]
 * @property {string} [durable]
 */

/** @typedef {EventFrame | Ack | ErrorFrame | Gap} HubFrame */

/** @typedef {{ epoch: string, source?: string, event_id?: string, position?: number }} Resume */

/** What a frame of a kind must have, and of which type; what else it has must be of the type, too. */
const REQUIRED = /** @type {Record<string, [string, string]>} */ ({
  event: ["event", "string"],
  ack: ["type", "string"],
  error: ["code", "string"],
  gap: ["missed", "number"],
});
/** @type {Record<string, string>} */
const TYPES = { event_id: "string", source: "string", timestamp: "string", reply_to: "string", message: "string" };

/**
 * What a client receives, or null when it is no frame of the Hub's (of a newer version, say).
 * @param {string} text
 * @returns {HubFrame | null}
 */
export function decodeHubFrame(text) {
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    return null;
  }
  if (frame === null || typeof frame !== "object" || !Object.hasOwn(REQUIRED, frame.type)) return null;
  const [key, type] = REQUIRED[frame.type];
  if (typeof frame[key] !== type) return null;
  for (const name in TYPES) if (name in frame && typeof frame[name] !== TYPES[name]) return null;
  if (frame.type === "event" && frame.headers !== undefined && (frame.headers === null || typeof frame.headers !== "object")) return null;
  return frame;
}
