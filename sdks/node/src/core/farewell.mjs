// How a module leaves: whether it is meant, what it promises, how long it may take.

/** Seconds for everything, where `module.shutdown` does not say (the manifest's `stop.timeout`). */
export const DEFAULT_TIMEOUT = 10;
/** Seconds for everything after a signal or the end of the lifeline: the Launcher kills after 5. */
export const UNASKED = 4;
/** Seconds left once the signal has come during a cleanup that was asked for: it kills after 3. */
export const LATE = 2.5;
/** Seconds promised for finishing what has been received, where something has. */
const BACKLOG = 0.5;

/**
 * Why a module leaves. `own`: it said so itself: `module.stop()`, a failure, a refusal that is final.
 * @typedef {"shutdown" | "signal" | "lifeline" | "own"} Cause
 */

/** @typedef {{ reason: string, timeout: number }} Orders - timeout in seconds */

/**
 * What `module.shutdown` says to this life of this module, or null when another is meant.
 * @param {unknown} data
 * @param {string} module
 * @param {number} life
 * @returns {Orders | null}
 */
export function ordersOf(data, module, life) {
  if (data === null || typeof data !== "object") return null;
  const said = /** @type {Record<string, unknown>} */ (data);
  if (said.module_id !== module) return null;
  if (said.life !== undefined && said.life !== null && said.life !== life) return null;
  const { reason, timeout } = said;
  return {
    reason: typeof reason === "string" ? reason : "",
    timeout: typeof timeout === "number" && timeout >= 0 ? timeout : DEFAULT_TIMEOUT,
  };
}

/**
 * Seconds of cleanup to promise: what the stop handlers say, within what is allowed.
 * @param {number[]} estimates
 * @param {{ hasBacklog: boolean, timeout: number }} options
 */
export function estimate(estimates, { hasBacklog, timeout }) {
  return Math.min(sum(estimates) + (hasBacklog ? BACKLOG : 0), timeout);
}

/**
 * Seconds that the whole of the cleanup may take.
 * @param {Cause} cause
 * @param {Orders | null} orders
 */
export function patienceFor(cause, orders) {
  if (cause === "shutdown" && orders) return orders.timeout;
  return cause === "own" ? DEFAULT_TIMEOUT : UNASKED;
}

/**
 * Seconds of the patience for finishing what has been received; the stop handlers get the rest: what
 * they have asked for, at least a quarter, and half of the time at most.
 * @param {number} patience
 * @param {number[]} estimates
 */
export function timeToFinish(patience, estimates) {
  return patience - Math.min(Math.max(sum(estimates), patience / 4), patience / 2);
}

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);
