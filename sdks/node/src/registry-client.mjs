// The Registry, asked in a module's name: who is here, where, offering what.
import { PeerError } from "./errors.mjs";
import { callJson, stream } from "./http-client.mjs";
import { offered } from "./wire/tool.mjs";

/** @import { Entry, Place } from "./core/mirror.mjs" */
/** @typedef {{ token: string, expiresAt: string }} SessionToken - expiresAt: RFC 3339 UTC */

const DEFAULT_TTL = 30;

/**
 * Calls the Registry with a module's token. Each method throws, besides what it says itself, Unavailable
 * `unreachable` or `not_ready` (the Registry restarts; try again), PeerError `unauthorized` (the token is
 * dead).
 */
export class RegistryClient {
  #url;
  #token;

  /**
   * @param {number} port - of the Registry on 127.0.0.1 (`KITE_REGISTRY_PORT`)
   * @param {string} token
   */
  constructor(port, token) {
    this.#url = `http://127.0.0.1:${port}`;
    this.#token = token;
  }

  /**
   * The JSON value at a dotted path, such as `event_hub.metadata.ws_endpoint`; throws `not_found`.
   * @param {string} path
   * @returns {Promise<any>}
   */
  get(path) {
    return this.#call(`/get/${encodeURIComponent(path)}`);
  }

  /**
   * The records whose fields match; `*` and `?` stand for any text and any character.
   * @param {Readonly<Record<string, string>>} [fields] - a field may be dotted
   */
  async lookup(fields = {}) {
    const query = new URLSearchParams(fields).toString();
    return records(await this.#call(query ? `/lookup?${query}` : "/modules"));
  }

  /** All records. */
  async modules() {
    return records(await this.#call("/modules"));
  }

  /**
   * One module's record; throws `not_found`.
   * @param {string} moduleId
   * @returns {Promise<Entry>}
   */
  async module(moduleId) {
    return objectOf(await this.#call(`/modules/${encodeURIComponent(moduleId)}`));
  }

  /** What all modules offer to be called. */
  async tools() {
    return (await this.modules()).flatMap(offered);
  }

  /**
   * A token for a web page of this module; it dies with the module's own. Throws `permission_denied`
   * where more is asked for than the module may do.
   * @param {{ publish?: string[], subscribe?: string[], ttl?: number }} [options] - ttl: seconds, at most 3600
   * @returns {Promise<SessionToken>}
   */
  async sessionToken({ publish = [], subscribe = [], ttl = 600 } = {}) {
    const { token, expires_at: expiresAt } = objectOf(await this.#call("/tokens/session", { publish, subscribe, ttl }));
    if (typeof token !== "string" || typeof expiresAt !== "string") {
      throw new PeerError("bad_response", { url: this.#url, detail: "it holds no token" });
    }
    return { token, expiresAt };
  }

  /**
   * The stream of changes, in pieces as they come.
   * @param {Place | null} after - where to go on; null: begin with everything
   * @param {AbortSignal} signal
   */
  watch(after, signal) {
    const query = after === null ? "" : `?${new URLSearchParams({ epoch: after.epoch, since: String(after.revision) })}`;
    return stream(`${this.#url}/watch${query}`, { token: this.#token, signal });
  }

  /**
   * Register; replaces what was registered. Modules use `Module.register`.
   * @param {string} moduleId
   * @param {number} life
   * @param {Record<string, unknown>} record
   * @returns {Promise<number>} seconds until the entry expires unless it is renewed
   */
  async register(moduleId, life, record) {
    return ttlOf(await this.#call("/modules", { action: "register", module_id: moduleId, life, ...record }));
  }

  /**
   * Renew; answers like `register`. Throws `not_registered`.
   * @param {string} moduleId
   * @param {number} life
   */
  async heartbeat(moduleId, life) {
    return ttlOf(await this.#call("/modules", { action: "heartbeat", module_id: moduleId, life }));
  }

  /** @param {string} path @param {unknown} [body] */
  #call(path, body) {
    return callJson(this.#url + path, { method: body === undefined ? "GET" : "POST", token: this.#token, body });
  }
}

/** @param {unknown} answer @returns {Record<string, unknown>} */
export const objectOf = (answer) =>
  answer !== null && typeof answer === "object" && !Array.isArray(answer) ? /** @type {Record<string, unknown>} */ (answer) : {};

/** @param {unknown} answer @returns {Entry[]} */
export function records(answer) {
  const { modules } = objectOf(answer);
  return Array.isArray(modules) ? modules : [];
}

/** @param {unknown} answer */
function ttlOf(answer) {
  const { ttl } = objectOf(answer);
  return typeof ttl === "number" && ttl > 0 ? ttl : DEFAULT_TTL;
}
