// The Launcher's management API, asked in a module's name: who runs, and please restart that one.
import { Unavailable } from "./errors.mjs";
import { callJson } from "./http-client.mjs";
import { objectOf, records } from "./registry-client.mjs";

/** @import { Entry } from "./core/mirror.mjs" */
/** @import { RegistryClient } from "./registry-client.mjs" */

const TIMEOUT = 10;
/** The Launcher says `not settled` after 60 s. */
const SETTLED_WITHIN = 65;

/** @typedef {{ reason?: string, wait?: boolean }} Wish - wait: until it is done, at most 60 s */

/**
 * Calls the Launcher with a module's token. Starting, stopping and restarting need the scope
 * `launcher.control` in the manifest. Each method throws Unavailable (try again), PeerError
 * `unauthorized`, RequestError `unknown_module`, `permission_denied`, …; with `wait` also `superseded`,
 * `failed`, and what else kept it from being done.
 */
export class LauncherClient {
  #registry;
  #token;
  /** @type {string | null} */
  #url = null;

  /** @param {RegistryClient} registry - where the Launcher's address is @param {string} token */
  constructor(registry, token) {
    this.#registry = registry;
    this.#token = token;
  }

  /** Every module as `kite ps --json` shows it. */
  async modules() {
    return records(await this.#call("/launcher/modules"));
  }

  /** One module: `actual_state`, `life`, `pid`, `restarts`, …. @param {string} name @returns {Promise<Entry>} */
  async module(name) {
    return objectOf(await this.#call(`/launcher/modules/${encodeURIComponent(name)}`));
  }

  /** Start a module, and what it depends on; its record. @param {string} name @param {Wish} [wish] */
  start(name, wish) {
    return this.#act(name, "start", wish);
  }

  /** Stop a module. @param {string} name @param {Wish} [wish] */
  stop(name, wish) {
    return this.#act(name, "stop", wish);
  }

  /**
   * Restart a running module, or with `life` that one of its processes alone (`life_gone` where it does
   * not run any more).
   * @param {string} name
   * @param {Wish & { life?: number }} [wish]
   */
  restart(name, wish) {
    return this.#act(name, "restart", wish);
  }

  /** @param {string} name @param {string} verb @param {Wish & { life?: number }} [wish] */
  async #act(name, verb, { reason, wait = false, life } = {}) {
    const path = `/launcher/modules/${encodeURIComponent(name)}/${verb}${wait ? "?wait=1" : ""}`;
    const body = { ...(reason && { reason }), ...(life !== undefined && { life }) };
    return objectOf(await this.#call(path, body, wait ? SETTLED_WITHIN : TIMEOUT));
  }

  /** @param {string} path @param {unknown} [body] @param {number} [timeout] */
  async #call(path, body, timeout = TIMEOUT) {
    const url = (await this.#find()) + path;
    return callJson(url, { method: body === undefined ? "GET" : "POST", token: this.#token, body, timeout });
  }

  async #find() {
    // Its address never changes during a run.
    if (this.#url === null) {
      const found = await this.#registry.get("launcher.api_endpoint");
      if (typeof found !== "string") throw new Unavailable("not_ready", { what: "the launcher" });
      this.#url = found.replace(/\/+$/, "");
    }
    return this.#url;
  }
}
