// A small HTTP client for Registry and Launcher: one connection a call, bounded bodies, errors that say
// who did not answer.
import { request } from "node:http";
import { PeerError, Unavailable } from "./errors.mjs";
import { milliseconds } from "./limit.mjs";
import { Refusal } from "./refusal.mjs";

/** @import { IncomingMessage } from "node:http" */
/** @import { KiteError } from "./errors.mjs" */

const MAX_RESPONSE_BYTES = 64 << 20;
const FIRST_FAILURE = 400;

/** @typedef {{ method?: string, token?: string, body?: unknown, timeout?: number }} Ask - timeout in seconds */
/** @typedef {{ status: number, text: string }} Answer */

/**
 * Ask once and return the whole answer, whatever its status. Throws Unavailable `unreachable` when
 * nobody answers, or not in time, PeerError `bad_response` when what comes back is no HTTP or too large.
 * @param {string} url
 * @param {Ask} [ask]
 * @returns {Promise<Answer>}
 */
export async function call(url, ask = {}) {
  const timeout = ask.timeout ?? 10;
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), milliseconds(timeout));
  try {
    const response = await head(url, ask, controller.signal);
    return { status: response.statusCode ?? 0, text: await whole(response, url) };
  } catch (failure) {
    throw controller.signal.aborted ? unreachable(url, `no answer within ${timeout} s`) : failure;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The JSON of an answer that is a success; throws what any other one means.
 * @param {string} url
 * @param {Ask} [ask]
 * @returns {Promise<unknown>}
 */
export async function callJson(url, ask) {
  const answer = await call(url, ask);
  if (answer.status >= FIRST_FAILURE || answer.status < 200) throw errorOf(answer, url);
  try {
    return JSON.parse(answer.text);
  } catch {
    throw new PeerError("bad_response", { url: shown(url), detail: "it is no JSON" });
  }
}

/**
 * GET an answer that goes on, and hand on its text as it comes. Ends by throwing Unavailable
 * `unreachable` where the connection does, or whatever an answer that is no success means.
 * @param {string} url
 * @param {{ token: string, timeout?: number, signal: AbortSignal }} options - timeout: seconds until
 *   it begins
 * @returns {AsyncGenerator<string>}
 */
export async function* stream(url, { token, timeout = 10, signal }) {
  const controller = new AbortController();
  const end = () => controller.abort();
  const timer = setTimeout(end, milliseconds(timeout));
  signal.addEventListener("abort", end);
  try {
    const response = await head(url, { token }, controller.signal);
    clearTimeout(timer);
    const status = response.statusCode ?? 0;
    if (status >= FIRST_FAILURE) throw errorOf({ status, text: await whole(response, url) }, url);
    response.setEncoding("utf8");
    for await (const text of response) yield text;
  } catch (failure) {
    throw failure instanceof Error && "params" in failure ? failure : unreachable(url, said(failure));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

/**
 * The error that an answer which is no success stands for: `unauthorized` (401, final for the token),
 * Unavailable (503), else a refusal with the code of its problem document.
 * @param {Answer} answer
 * @param {string} url
 * @returns {KiteError}
 */
export function errorOf({ status, text }, url) {
  const { code, detail, params } = problemOf(text);
  if (status === 401) return new PeerError("unauthorized");
  if (status === 503) return new Unavailable(code ?? "not_ready", { what: shown(url), ...params });
  if (code === null) return new PeerError("bad_status", { url: shown(url), status });
  return new Refusal(code, detail, params);
}

/**
 * @param {string} url
 * @param {Ask} ask
 * @param {AbortSignal} signal
 * @returns {Promise<IncomingMessage>}
 */
function head(url, { method = "GET", token, body }, signal) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      method,
      agent: false,
      signal,
      headers: {
        accept: "*/*",
        connection: "close",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(text !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
        ...(text === undefined && method !== "GET" && { "content-length": 0 }),
      },
    });
    asked.on("response", resolve);
    asked.on("error", (failure) => reject(unreachable(url, said(failure))));
    asked.end(text);
  });
}

/** @param {IncomingMessage} response @param {string} url */
async function whole(response, url) {
  /** @type {Buffer[]} */
  const parts = [];
  let size = 0;
  try {
    for await (const part of response) {
      size += part.length;
      parts.push(part);
      if (size > MAX_RESPONSE_BYTES) break;
    }
  } catch {
    throw unreachable(url, "the connection was closed early");
  }
  if (size > MAX_RESPONSE_BYTES) throw new PeerError("bad_response", { url: shown(url), detail: "it is too large" });
  return Buffer.concat(parts).toString("utf8");
}

/** @param {string} text @returns {{ code: string | null, detail: unknown, params: Record<string, unknown> }} */
function problemOf(text) {
  try {
    const { code, detail, params } = JSON.parse(text);
    const isObject = params !== null && typeof params === "object" && !Array.isArray(params);
    return { code: typeof code === "string" ? code : null, detail, params: isObject ? params : {} };
  } catch {
    return { code: null, detail: undefined, params: {} };
  }
}

/** The URL without its query, which may say what is nobody's business. @param {string} url */
const shown = (url) => url.split("?", 1)[0];

/** @param {string} url @param {string} detail */
const unreachable = (url, detail) => new Unavailable("unreachable", { url: shown(url), detail });

/** @param {unknown} failure */
const said = (failure) => (failure instanceof Error ? failure.message || ("code" in failure ? String(failure.code) : failure.name) : String(failure));
