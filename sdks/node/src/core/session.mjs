// What a module decides about its conversation with Kite: when to try again, when to give up.
//
// Facts in, actions out, time and chance passed in. The shell (life.mjs) performs the actions and
// reports what came of them.
//
//     connecting ── joined ──▶ starting ── started ──▶ ready
//         ▲  │                    │                      │
//         │  └ failed (try again) │ lost                 │ lost
//         └───────────────────────┴──────────────────────┘
//     any ── stop_asked, or a failure that no retry mends ──▶ stopping
import { PeerError, Unavailable } from "../errors.mjs";
import { Backoff } from "./backoff.mjs";

/** @import { KiteError } from "../errors.mjs" */

/** @typedef {"connecting" | "starting" | "ready" | "stopping"} Phase */

/**
 * `begun`: the process has its boot line. `joined`: connected, subscribed, registered. `started`: the
 * start handlers are through. `failed`: a try to join came to nothing, or a heartbeat did. `lost`: the
 * connection ended although nobody asked for it. `stop_asked`: somebody wants the module to go.
 * @typedef {{ is: "begun" } | { is: "joined" } | { is: "started" } | { is: "failed", error: KiteError }
 *   | { is: "lost" } | { is: "stop_asked", status: number }} Fact
 */

/**
 * @typedef {{ do: "join", delay: number } | { do: "run_start_handlers" } | { do: "say_ready" }
 *   | { do: "leave", status: number, error?: KiteError }} Action - delay in seconds
 */

const CONFIGURATION = 2;
const NOT_PERMITTED = 6;

/** One module's conversation with Kite, from its boot line to its end. */
export class Session {
  #backoff = new Backoff();
  #isStarted = false;
  #joinedAt = 0;
  /** @type {Phase} */
  phase = "connecting";
  /** How often an established connection was lost. */
  losses = 0;

  /**
   * What to do about a fact.
   * @param {Fact} fact
   * @param {number} now - monotonic seconds
   * @param {number} [jitter] - a random number in [0, 1)
   * @returns {Action[]}
   */
  handle(fact, now, jitter = 0.5) {
    if (this.phase === "stopping") return [];
    switch (fact.is) {
      case "begun":
        return [{ do: "join", delay: 0 }];
      case "joined":
        return this.#joined(now);
      case "started":
        return this.#startDone();
      case "failed":
        return this.#failed(fact.error, jitter);
      case "lost":
        return this.#lost(now, jitter);
      case "stop_asked":
        this.phase = "stopping";
        return [{ do: "leave", status: fact.status }];
    }
  }

  /** @param {number} now @returns {Action[]} */
  #joined(now) {
    this.#joinedAt = now;
    if (this.#isStarted) {
      this.phase = "ready";
      return [{ do: "say_ready" }];
    }
    this.phase = "starting";
    // Handlers that still run from before the loss are not run a second time.
    return this.losses > 0 ? [] : [{ do: "run_start_handlers" }];
  }

  /** @returns {Action[]} */
  #startDone() {
    this.#isStarted = true;
    if (this.phase !== "starting") return []; // lost meanwhile: ready is said when it has joined again
    this.phase = "ready";
    return [{ do: "say_ready" }];
  }

  /** @param {KiteError} error @param {number} jitter @returns {Action[]} */
  #failed(error, jitter) {
    const status = finalStatus(error);
    if (status !== null) {
      this.phase = "stopping";
      return [{ do: "leave", status, error }];
    }
    if (this.phase !== "connecting") return []; // a heartbeat that is tried again anyway
    return [{ do: "join", delay: this.#backoff.next(jitter) }];
  }

  /** @param {number} now @param {number} jitter @returns {Action[]} */
  #lost(now, jitter) {
    if (this.phase === "connecting") return []; // the try that it belonged to reports its own failure
    this.#backoff.lasted(now - this.#joinedAt);
    this.losses += 1;
    this.phase = "connecting";
    return [{ do: "join", delay: this.#backoff.next(jitter) }];
  }
}

/**
 * The exit status for an error that no retry mends, or null for one that a retry may mend.
 *
 * 401 is final for a token, and a module has only the one: a status other than 0 makes the Launcher
 * start it anew with a fresh token, where it is still wanted. What the Hub or the Registry refuses (a
 * pattern outside the manifest's `events`, a malformed registration) stays refused.
 * @param {KiteError} error
 * @returns {number | null}
 */
export function finalStatus(error) {
  if (error.code === "unauthorized") return NOT_PERMITTED;
  if (error instanceof Unavailable || MENDABLE.has(error.code)) return null;
  if (error instanceof PeerError) return null; // not Kite's answer: something else listens there for a moment
  return CONFIGURATION;
}

/** The endpoint is not there before the Hub has registered. */
const MENDABLE = new Set(["not_found", "not_registered", "internal_error"]);
