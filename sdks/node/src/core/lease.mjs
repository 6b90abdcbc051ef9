// When to renew an entry in the Registry, and what to do when that fails.
import { Backoff } from "./backoff.mjs";

/** @import { KiteError } from "../errors.mjs" */

/** Heartbeats within one lease: two may be lost before the entry expires. */
const RENEWALS = 3;
/** Seconds after the loss of the Hub until the next heartbeat: by then the Registry knows of it, too. */
const SOON = 2.0;
/** Seconds between heartbeats at least, whatever the Registry's answer says. */
const SHORTEST = 0.1;

const fresh = () => new Backoff({ first: 0.1, cap: 2.0 });

/** One registration, kept alive. */
export class Lease {
  #backoff = fresh();

  /** @param {number} now - monotonic seconds */
  constructor(now) {
    /** The call to make when `due`. @type {"register" | "heartbeat"} */
    this.step = "register";
    this.due = now;
  }

  /**
   * The Registry has registered or renewed it for `ttl` seconds.
   * @param {number} ttl
   * @param {number} now
   */
  granted(ttl, now) {
    this.#backoff = fresh();
    this.step = "heartbeat";
    this.due = now + Math.max(ttl / RENEWALS, SHORTEST);
  }

  /**
   * Register again now: the Registry may have forgotten, or what is registered has changed.
   * @param {number} now
   */
  renewAtOnce(now) {
    this.step = "register";
    this.due = now;
  }

  /**
   * The Hub hears the module no more. While it did, the Registry may have asked for few heartbeats:
   * from now on the module has to speak for itself.
   * @param {number} now
   */
  unheard(now) {
    this.due = Math.min(this.due, now + SOON);
  }

  /**
   * A call has failed; whether it is worth another is `finalStatus`'s to say.
   * @param {KiteError} error
   * @param {number} now
   * @param {number} jitter
   */
  failed(error, now, jitter) {
    if (error.code === "not_registered" && this.step === "heartbeat") this.renewAtOnce(now);
    else this.due = now + this.#backoff.next(jitter);
  }
}
