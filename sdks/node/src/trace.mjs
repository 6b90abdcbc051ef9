// The trace that an event belongs to goes on through what its handler publishes.
//
// W3C Trace Context travels in the headers `traceparent` and `tracestate`. Kite makes no spans: who
// does sets these headers, and what a handler says keeps those of the event that it handles.
import { AsyncLocalStorage } from "node:async_hooks";

const PARENT = "traceparent";
const STATE = "tracestate";

/** @type {AsyncLocalStorage<Record<string, string> | undefined>} */
const present = new AsyncLocalStorage();

/** Whether this process has ever handled an event that belongs to a trace: the others pay nothing. */
let isFollowed = false;

/**
 * Call a function so that what is published in it, and in all that it starts, belongs to the trace of
 * these headers, or to none.
 * @template Result
 * @param {unknown} headers
 * @param {() => Result} work
 * @returns {Result}
 */
export function follow(headers, work) {
  const found = /** @type {Record<string, unknown> | undefined} */ (headers);
  const parent = found?.[PARENT];
  if (typeof parent !== "string") return isFollowed ? present.run(undefined, work) : work();
  isFollowed = true;
  const state = found?.[STATE];
  return present.run({ [PARENT]: parent, ...(typeof state === "string" && { [STATE]: state }) }, work);
}

/**
 * Headers with those of the present trace, unless they name one themselves.
 * @param {Readonly<Record<string, string>> | undefined} headers
 * @returns {Readonly<Record<string, string>> | undefined}
 */
export function carried(headers) {
  const trace = isFollowed ? present.getStore() : undefined;
  if (trace === undefined || (headers && PARENT in headers)) return headers;
  return headers ? { ...headers, ...trace } : trace;
}
