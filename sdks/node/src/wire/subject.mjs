// Subjects and patterns: the names of events, and what subscriptions say.
//
// A subject is tokens joined by dots (`docs.file.changed`). A pattern is a subject in which a token
// may be `*` (any one token) and the last may be `>` (one or more tokens). Matching is NATS's.
import { RequestError } from "../errors.mjs";
import { MAX_SUBJECT_BYTES } from "./limits.mjs";

// White space in the Unicode sense, the C0 and C1 control characters, DEL, and the two wildcards.
// Spelled out: JavaScript's \s takes U+FEFF for white space, which Unicode does not.
const FORBIDDEN = /[\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000*>]/;
const LONE_SURROGATE = /\p{Surrogate}/u;
// Nearly all subjects: whatever matches is one, if it is not too long.
const USUAL = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

/** @param {string} name */
function problemOf(name) {
  if (!name) return "it is empty";
  if (Buffer.byteLength(name) > MAX_SUBJECT_BYTES) return `it is longer than ${MAX_SUBJECT_BYTES} bytes`;
  if (LONE_SURROGATE.test(name)) return "it holds a lone surrogate";
  if (name.startsWith(".") || name.endsWith(".") || name.includes("..")) return "it has an empty token";
  return null;
}

/** @param {string} character */
function nameCharacter(character) {
  if (character === "*" || character === ">") return `'${character}' is for patterns only`;
  const point = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  return `it holds white space or a control character (U+${point})`;
}

/**
 * Why this is no subject, or null when it is one.
 * @param {string} subject
 */
export function subjectProblem(subject) {
  if (subject.length <= MAX_SUBJECT_BYTES && USUAL.test(subject)) return null;
  const problem = problemOf(subject);
  if (problem) return problem;
  const found = FORBIDDEN.exec(subject);
  return found ? nameCharacter(found[0]) : null;
}

/**
 * Why this is no pattern, or null when it is one.
 * @param {string} pattern
 */
export function patternProblem(pattern) {
  const problem = problemOf(pattern);
  if (problem) return problem;
  const tokens = pattern.split(".");
  for (const [position, token] of tokens.entries()) {
    if (token === "*") continue;
    if (token === ">") {
      if (position !== tokens.length - 1) return "'>' may only be the last token";
      continue;
    }
    const found = FORBIDDEN.exec(token);
    if (!found) continue;
    return "*>".includes(found[0]) ? `'${found[0]}' must be a token of its own` : nameCharacter(found[0]);
  }
  return null;
}

/**
 * Return the subject, or throw RequestError `invalid_subject`.
 * @param {string} subject
 */
export function checkSubject(subject) {
  const problem = typeof subject === "string" ? subjectProblem(subject) : "it is no text";
  if (problem) throw new RequestError("invalid_subject", { subject: String(subject).slice(0, 300), detail: problem });
  return subject;
}

/**
 * Return the pattern, or throw RequestError `invalid_pattern`.
 * @param {string} pattern
 */
export function checkPattern(pattern) {
  const problem = typeof pattern === "string" ? patternProblem(pattern) : "it is no text";
  if (problem) throw new RequestError("invalid_pattern", { pattern: String(pattern).slice(0, 300), detail: problem });
  return pattern;
}

/**
 * Whether a valid pattern matches a valid subject.
 * @param {string} pattern
 * @param {string} subject
 */
export function matches(pattern, subject) {
  if (pattern === subject || pattern === ">") return true;
  const wanted = pattern.split(".");
  const tokens = subject.split(".");
  if (wanted.at(-1) === ">") {
    wanted.pop();
    if (tokens.length <= wanted.length) return false;
  } else if (wanted.length !== tokens.length) return false;
  return wanted.every((want, at) => want === "*" || want === tokens[at]);
}

/**
 * Whether every subject that `narrow` matches is matched by `wide` (both valid patterns).
 * @param {string} wide
 * @param {string} narrow
 */
export function covers(wide, narrow) {
  if (wide === ">" || wide === narrow) return true;
  const outer = wide.split(".");
  const inner = narrow.split(".");
  if (outer.at(-1) === ">") {
    outer.pop();
    if (inner.length <= outer.length) return false;
  } else if (outer.length !== inner.length || inner.at(-1) === ">") return false;
  return outer.every((want, at) => want === inner[at] || (want === "*" && inner[at] !== ">"));
}

/**
 * Whether some subject matches both (valid) patterns.
 * @param {string} one
 * @param {string} other
 */
export function overlaps(one, other) {
  const first = one.split(".");
  const second = other.split(".");
  const shared = Math.min(first.length, second.length);
  for (let at = 0; at < shared; at += 1) {
    const [left, right] = [first[at], second[at]];
    if (left === ">" || right === ">") return true;
    if (left !== "*" && right !== "*" && left !== right) return false;
  }
  return first.length === second.length;
}
