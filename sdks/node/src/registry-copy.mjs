// The Registry as a module's own code asks it: from a copy that follows every change.
import { Backoff } from "./core/backoff.mjs";
import { Mirror } from "./core/mirror.mjs";
import { KiteError } from "./errors.mjs";
import { milliseconds } from "./limit.mjs";

/** @import { RegistryClient } from "./registry-client.mjs" */

/**
 * Answers look-ups from a copy, and everything else by asking the Registry.
 *
 * The first look-up asks the Registry and begins the copy, which from then on gets each change as the
 * Registry learns of it. While there is no whole copy (at the beginning, or while the Registry
 * restarts) look-ups ask, as if there were none.
 *
 * Records are shared with the copy: do not change them. They have no `expires_at`.
 */
export class RegistryCopy {
  #client;
  #signal;
  /** @type {Mirror | null} */
  #mirror = null;

  /**
   * @param {RegistryClient} client - asks
   * @param {AbortSignal} signal - aborted when nothing is to be followed any more
   */
  constructor(client, signal) {
    this.#client = client;
    this.#signal = signal;
  }

  /**
   * The JSON value at a dotted path, such as `event_hub.metadata.ws_endpoint`; throws `not_found`.
   * @param {string} path
   * @returns {Promise<any>}
   */
  async get(path) {
    const copy = this.#copy();
    // Whether the Hub is only not there yet, the Registry alone can tell.
    if (copy !== null && path.split(".", 1)[0] !== "event_hub") return copy.get(path);
    return this.#client.get(path);
  }

  /**
   * The records whose fields match; `*` and `?` stand for any text and any character.
   * @param {Readonly<Record<string, string>>} [fields] - a field may be dotted
   */
  async lookup(fields = {}) {
    return this.#copy()?.lookup(fields) ?? this.#client.lookup(fields);
  }

  /** All records. */
  async modules() {
    return this.#copy()?.lookup({}) ?? this.#client.modules();
  }

  /**
   * One module's record; throws `not_found`.
   * @param {string} moduleId
   */
  async module(moduleId) {
    return this.#copy()?.module(moduleId) ?? this.#client.module(moduleId);
  }

  /** What all modules offer to be called; see `Module.call`. */
  async tools() {
    return this.#copy()?.tools() ?? this.#client.tools();
  }

  /**
   * A token for a web page of this module; see `RegistryClient.sessionToken`.
   * @param {{ publish?: string[], subscribe?: string[], ttl?: number }} [options]
   */
  sessionToken(options) {
    return this.#client.sessionToken(options);
  }

  /** What answers, if it is whole. */
  #copy() {
    if (this.#mirror === null) {
      this.#mirror = new Mirror();
      void this.#follow(this.#mirror);
      return null;
    }
    return this.#mirror.isSynced ? this.#mirror : null;
  }

  /** @param {Mirror} mirror */
  async #follow(mirror) {
    let backoff = new Backoff();
    while (!this.#signal.aborted) {
      try {
        mirror.begin();
        for await (const text of this.#client.watch(mirror.place, this.#signal)) {
          mirror.feed(text);
          if (mirror.isSynced) backoff = new Backoff();
        }
      } catch (failure) {
        if (!(failure instanceof KiteError)) throw failure;
        if (failure.code === "unauthorized") return; // this life's token is dead: whoever asks hears that
      } finally {
        mirror.end();
      }
      await new Promise((resolve) => setTimeout(resolve, milliseconds(backoff.next(Math.random()))).unref());
    }
  }
}
