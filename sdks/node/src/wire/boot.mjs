// The boot line: one line of JSON on standard input, with `token` and `life`.
import { isToken } from "./token.mjs";

/**
 * @typedef {object} BootLine
 * @property {string} token - 64 hex digits
 * @property {number} life - which process of the module this is, from 1
 * @property {number} replica - which of several side by side, from 0
 * @property {boolean} isAsked - whether the module has to answer for itself how it is, rather than be
 *   seen to be at rest
 * @property {string} wsEndpoint - where the Event Hub listens throughout this run, if the Launcher knows
 */

/**
 * The boot line, or null when it is none. Unknown keys are ignored, wrong types are not.
 * @param {string} line
 * @returns {BootLine | null}
 */
export function decodeBootLine(line) {
  let found;
  try {
    found = JSON.parse(line);
  } catch {
    return null;
  }
  if (found === null || typeof found !== "object" || Array.isArray(found)) return null;
  const { token, life = 1, replica = 0, is_asked: isAsked = false, ws_endpoint: wsEndpoint = "" } = found;
  const isRight =
    isToken(token) &&
    Number.isSafeInteger(life) &&
    Number.isSafeInteger(replica) &&
    typeof isAsked === "boolean" &&
    typeof wsEndpoint === "string";
  return isRight ? { token, life, replica, isAsked, wsEndpoint } : null;
}
