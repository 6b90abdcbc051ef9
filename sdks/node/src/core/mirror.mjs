// A copy of the Registry, kept from its stream of changes (`GET /watch`), and what it answers. Pure.
//
// Records are handed out as they are kept: whoever changes one changes it for all who ask later.
import { PeerError, RequestError } from "../errors.mjs";
import { fieldMatches, resolve } from "../wire/lookup.mjs";
import { offered } from "../wire/tool.mjs";

/** @import { Tool } from "../wire/tool.mjs" */
/** @typedef {{ epoch: string, revision: number }} Place - how far a copy has come */
/** @typedef {Record<string, unknown>} Entry - one module's entry */

/** Look-ups whose answers are kept until something changes. */
const REMEMBERED = 256;
/** Of one event, in characters. */
const LONGEST = 32 << 20;

/** The copy. */
export class Mirror {
  /** @type {Map<string, Entry>} */
  #records = new Map();
  /** @type {Map<string, unknown>} */
  #answers = new Map();
  #rest = "";
  /** Whether it holds everything that the Registry knew a moment ago. */
  isSynced = false;
  /** Where the next stream is to go on; null: nothing is known yet. @type {Place | null} */
  place = null;

  /** Another stream begins, from `place` on. */
  begin() {
    this.isSynced = false;
    this.#rest = "";
    if (this.place === null) this.#forget();
  }

  /**
   * What has come of the stream; throws PeerError `bad_response` when it is no stream of the Registry's.
   * @param {string} text
   */
  feed(text) {
    const events = (this.#rest + text).split("\n\n");
    this.#rest = events.pop() ?? "";
    if (this.#rest.length > LONGEST) throw notUnderstood("an event is too long");
    for (const event of events) this.#heard(event);
  }

  /** The stream has ended: until the next one nobody knows what has changed. */
  end() {
    this.isSynced = false;
  }

  /**
   * One module's record; throws `not_found`.
   * @param {string} moduleId
   * @returns {Entry}
   */
  module(moduleId) {
    const record = this.#records.get(moduleId);
    if (record === undefined) throw new RequestError("not_found", { path: moduleId });
    return record;
  }

  /**
   * What stands at a dotted path; throws `not_found`.
   * @param {string} path
   */
  get(path) {
    return this.#remembered(`get ${path}`, () => {
      const [moduleId, ...rest] = path.split(".");
      const record = this.#records.get(moduleId);
      const resolved = record && resolve(record, rest);
      if (!resolved) throw new RequestError("not_found", { path });
      return resolved.found;
    });
  }

  /**
   * The records that match every field and glob, by name.
   * @param {Readonly<Record<string, string>>} fields
   * @returns {Entry[]}
   */
  lookup(fields) {
    const query = Object.entries(fields);
    const found = this.#remembered(JSON.stringify(query), () =>
      [...this.#records.keys()]
        .sort((one, other) => (one < other ? -1 : 1))
        .map((name) => /** @type {Entry} */ (this.#records.get(name)))
        .filter((record) => query.every(([field, glob]) => fieldMatches(record, field, glob))),
    );
    return [.../** @type {Entry[]} */ (found)];
  }

  /**
   * What all modules offer to be called.
   * @returns {Tool[]}
   */
  tools() {
    return [.../** @type {Tool[]} */ (this.#remembered("tools", () => this.lookup({}).flatMap(offered)))];
  }

  /** @param {string} asked @param {() => unknown} find */
  #remembered(asked, find) {
    if (this.#answers.has(asked)) return this.#answers.get(asked);
    const found = find();
    if (this.#answers.size >= REMEMBERED) this.#answers.delete(/** @type {string} */ (this.#answers.keys().next().value));
    this.#answers.set(asked, found);
    return found;
  }

  #forget() {
    this.#records.clear();
    this.#answers.clear();
  }

  /** @param {string} event */
  #heard(event) {
    const fields = Object.fromEntries(event.split("\n").map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
    let data;
    try {
      data = JSON.parse(fields.data);
    } catch {
      throw notUnderstood("an event without data");
    }
    if (data === null || typeof data !== "object") throw notUnderstood("an event whose data is no object");
    if (fields.event === "compacted") {
      this.isSynced = false;
      this.#forget();
    } else if (fields.event === "synced") {
      this.#standsAt(data.epoch, data.revision);
      this.isSynced = true;
    } else this.#changed(data.module_id, data.record);
    if ("id" in fields) {
      const colon = fields.id.lastIndexOf(":");
      this.#standsAt(fields.id.slice(0, colon), Number(fields.id.slice(colon + 1)));
    }
  }

  /** @param {unknown} epoch @param {unknown} revision */
  #standsAt(epoch, revision) {
    if (typeof epoch !== "string" || !Number.isInteger(revision)) throw notUnderstood("no epoch and revision");
    this.place = { epoch, revision: Number(revision) };
  }

  /** @param {unknown} moduleId @param {unknown} record */
  #changed(moduleId, record) {
    if (typeof moduleId !== "string" || record === undefined) throw notUnderstood("a change of nobody");
    this.#answers.clear();
    if (record === null) this.#records.delete(moduleId);
    else this.#records.set(moduleId, /** @type {Entry} */ (record));
  }
}

/** @param {string} detail */
const notUnderstood = (detail) => new PeerError("bad_response", { url: "/watch", detail });
