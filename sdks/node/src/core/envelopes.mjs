// Events made cheaply: ids that are unique without asking anybody, instants without formatting.
import { RequestError } from "../errors.mjs";
import { MAX_FRAME_BYTES } from "../wire/limits.mjs";
import { checkSubject } from "../wire/subject.mjs";

/** @import { EventFrame } from "../wire/frame.mjs" */
/** @typedef {Readonly<Record<string, string>>} Headers */

const REMEMBERED_SUBJECTS = 4096;

/** Makes one module's events, as frames. */
export class Envelopes {
  #prefix;
  #replies;
  #number = 0;
  #instant = "";
  #millisecond = -1;
  /** @type {Map<string, string>} */
  #heads = new Map();

  /**
   * @param {string} source - the module's name
   * @param {string} prefix - random text that no other process of any life has; ids are
   *   `<prefix>-<number>`
   */
  constructor(source, prefix) {
    this.source = source;
    this.#prefix = prefix;
    this.#replies = `_reply.${source}.${prefix}.`;
  }

  /**
   * An event with an id of its own, and the frame as text.
   *
   * Throws RequestError `invalid_subject` or `event_too_large`, TypeError for data that JSON has not.
   * @param {string} subject
   * @param {unknown} data - any JSON value
   * @param {number} now - milliseconds since 1970-01-01 UTC
   * @param {{ headers?: Headers | undefined, ack?: boolean, replyTo?: string, id?: string }} [options]
   * @returns {{ id: string, frame: string }}
   */
  write(subject, data, now, { headers, ack = false, replyTo, id = this.nextId() } = {}) {
    let frame = `${this.#head(subject)}${id}","source":"${this.source}","timestamp":"${this.#text(now)}"`;
    if (replyTo !== undefined) frame += `,"reply_to":${JSON.stringify(replyTo)}`;
    if (headers !== undefined) frame += `,"headers":${JSON.stringify(headers)}`;
    if (ack) frame += ',"ack":true';
    frame += data === undefined ? "}" : `,"data":${written(data)}}`;
    return { id, frame: checkSize(subject, frame) };
  }

  /**
   * A request: its answer goes to a subject that says which request it belongs to. Its header
   * `kite-deadline` tells the instant from which on nobody waits for the answer.
   * @param {string} subject
   * @param {unknown} data
   * @param {number} now - milliseconds
   * @param {{ timeout: number, headers?: Headers | undefined }} options - timeout in seconds
   */
  writeRequest(subject, data, now, { timeout, headers }) {
    const id = this.nextId();
    const deadline = new Date(now + timeout * 1000).toISOString();
    return this.write(subject, data, now, {
      headers: { ...headers, "kite-deadline": deadline },
      replyTo: this.#replies + id.slice(this.#prefix.length + 1),
      id,
    });
  }

  /** The id of another event. */
  nextId() {
    this.#number += 1;
    return `${this.#prefix}-${this.#number.toString(16)}`;
  }

  /** The pattern of the subjects on which answers to this process arrive. */
  get replies() {
    return `${this.#replies}*`;
  }

  /**
   * The id of the request that an answer on this subject belongs to, or null.
   * @param {string} subject
   */
  requestOf(subject) {
    return subject.startsWith(this.#replies) ? `${this.#prefix}-${subject.slice(this.#replies.length)}` : null;
  }

  /**
   * Whether this process has published it.
   * @param {EventFrame} event
   */
  isOwn(event) {
    return event.source === this.source && (event.event_id?.startsWith(`${this.#prefix}-`) ?? false);
  }

  /** @param {string} subject */
  #head(subject) {
    let head = this.#heads.get(subject);
    if (head === undefined) {
      head = `{"type":"event","event":${JSON.stringify(checkSubject(subject))},"event_id":"`;
      if (this.#heads.size >= REMEMBERED_SUBJECTS) this.#heads.clear();
      this.#heads.set(subject, head);
    }
    return head;
  }

  /** @param {number} now */
  #text(now) {
    const millisecond = Math.trunc(now);
    if (millisecond !== this.#millisecond) {
      this.#instant = new Date(millisecond).toISOString();
      this.#millisecond = millisecond;
    }
    return this.#instant;
  }
}

/** @param {unknown} data */
function written(data) {
  const text = JSON.stringify(data);
  if (text === undefined) throw new TypeError(`a ${typeof data} is no JSON value`);
  return text;
}

/**
 * The frame, if it may go out; throws RequestError `event_too_large`.
 * @param {string} subject
 * @param {string} frame
 */
export function checkSize(subject, frame) {
  // A UTF-16 unit is at most three bytes.
  if (frame.length * 3 <= MAX_FRAME_BYTES) return frame;
  const size = Buffer.byteLength(frame);
  if (size > MAX_FRAME_BYTES) throw new RequestError("event_too_large", { subject, size, limit: MAX_FRAME_BYTES });
  return frame;
}
