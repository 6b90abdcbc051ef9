// The opening of a WebSocket to the Hub: dial, show the token, understand a refusal.
//
// Node's own WebSocket is used where there is one (22 and newer), else the package `ws`. Both have the
// browser's interface and take headers. That interface does not tell why a handshake was refused: the
// same is then asked once more over plain HTTP.
import { randomBytes } from "node:crypto";
import { request } from "node:http";
import { ConfigError, PeerError, Unavailable } from "./errors.mjs";
import { errorOf } from "./http-client.mjs";
import { milliseconds } from "./limit.mjs";
import { loopThread } from "./loop-thread.mjs";
import { MAX_RECEIVED_BYTES } from "./wire/limits.mjs";
import { isToken } from "./wire/token.mjs";

/**
 * What both have of the browser's WebSocket.
 * @typedef {object} Socket
 * @property {number} bufferedAmount
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 * @property {(text: string) => void} send
 * @property {(code?: number) => void} close
 * @property {() => void} [terminate]
 */

/** @typedef {new (url: string, options: object) => Socket} Implementation */

/** Seconds, for the question why. */
const ASK_TIMEOUT = 5;
const MOST_WORDS = 65_536;

/** @type {Implementation | undefined} */
let implementation;

/** @returns {Promise<Implementation>} */
async function findImplementation() {
  const own = /** @type {{ WebSocket?: Implementation }} */ (globalThis).WebSocket;
  if (own !== undefined) return own;
  try {
    const { WebSocket } = await import("ws");
    return /** @type {Implementation} */ (/** @type {unknown} */ (WebSocket));
  } catch {
    const detail = `Node ${process.versions.node} has no WebSocket of its own, and the package 'ws' is not installed; type npm install ws beside the module, or take Node 22`;
    throw new ConfigError("bad_environment", { detail });
  }
}

/**
 * Connect and show the token.
 *
 * Throws PeerError `unauthorized` (final for this token), `permission_denied` or `handshake_failed`;
 * Unavailable `not_ready` (try again) or `unreachable` (nobody answers, or not in time); ConfigError
 * `bad_environment` where there is nothing to connect with.
 * @param {string} endpoint - `ws://127.0.0.1:<port>/ws`
 * @param {string} token
 * @param {{ timeout: number, isAsked: boolean }} options - timeout in seconds
 * @returns {Promise<Socket>}
 */
export async function dial(endpoint, token, { timeout, isAsked }) {
  if (!isToken(token)) throw new PeerError("unauthorized");
  implementation ??= await findImplementation();
  const thread = isAsked ? null : loopThread();
  const headers = {
    Authorization: `Bearer ${token}`,
    "Kite-Answers-Pings": "yes",
    ...(thread !== null && { "Kite-Loop-Thread": thread }),
  };
  const limits = { perMessageDeflate: false, maxPayload: MAX_RECEIVED_BYTES };
  let socket;
  try {
    socket = new implementation(endpoint, { headers, ...limits });
  } catch (wrong) {
    throw new Unavailable("unreachable", { url: endpoint, detail: String(wrong) });
  }
  const failure = await opening(socket, timeout);
  if (failure === null) return socket;
  hangUp(socket);
  throw await refusalOf(endpoint, token, failure);
}

/**
 * End a connection without a word; nothing is heard of it any more.
 * @param {Socket} socket
 */
export function hangUp(socket) {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.onerror = () => {};
  if (socket.terminate) socket.terminate();
  else socket.close();
}

/**
 * Why it has not opened; null where it has.
 * @param {Socket} socket
 * @param {number} timeout
 * @returns {Promise<string | null>}
 */
function opening(socket, timeout) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve("no answer in time"), milliseconds(timeout));
    /** @param {string | null} outcome */
    const settle = (outcome) => {
      clearTimeout(timer);
      resolve(outcome);
    };
    socket.onopen = () => settle(null);
    socket.onerror = (event) => settle(event?.message || "the connection failed");
    socket.onclose = () => settle("the connection was closed");
  });
}

/**
 * What it means that the WebSocket was not granted.
 * @param {string} endpoint
 * @param {string} token
 * @param {string} detail
 */
async function refusalOf(endpoint, token, detail) {
  const answer = await askPlainly(endpoint, token);
  if (answer === null) return new Unavailable("unreachable", { url: endpoint, detail });
  const { status } = answer;
  if (status === 503) return new Unavailable("not_ready", { what: "the event hub" });
  const { code, message } = errorOf(answer, endpoint);
  return new PeerError(code === "bad_status" ? "handshake_failed" : code, { url: endpoint, status, detail: message });
}

/**
 * The same handshake by HTTP alone: what it is refused with; null where nobody answers, or it would be
 * granted now.
 * @param {string} endpoint
 * @param {string} token
 * @returns {Promise<{ status: number, text: string } | null>}
 */
function askPlainly(endpoint, token) {
  const headers = {
    authorization: `Bearer ${token}`,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
  };
  return new Promise((resolve) => {
    const asked = request(endpoint.replace(/^ws/, "http"), { agent: false, headers, timeout: milliseconds(ASK_TIMEOUT) });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(null));
    asked.on("upgrade", (_, socket) => {
      socket.destroy();
      resolve(null);
    });
    asked.on("response", async (response) => {
      response.setEncoding("utf8");
      let text = "";
      try {
        for await (const part of response) if (text.length < MOST_WORDS) text += part;
      } catch {
        text = ""; // its status says the most
      }
      resolve({ status: response.statusCode ?? 0, text });
    });
    asked.end();
  });
}
