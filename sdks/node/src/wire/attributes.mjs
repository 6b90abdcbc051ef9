// What the attributes of a CloudEvent may hold, in the JSON format of CloudEvents 1.0.2.
//
// An attribute is null (the same as absent), a text without control characters, true or false, or a
// whole number of 32 bits. Some texts have a form of their own besides.
import { RequestError } from "../errors.mjs";

/** What is wrong with a text, or null. @typedef {(text: string) => string | null} Check */

const planes = Array.from({ length: 17 }, (_, plane) => `\\u{${plane.toString(16)}fffe}\\u{${plane.toString(16)}ffff}`).join("");
/** Control characters, noncharacters, halves of a pair. */
const FORBIDDEN = `[\\u0000-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef${planes}\\p{Surrogate}]`;
const HOLDS_FORBIDDEN = new RegExp(FORBIDDEN, "u");
const ALL_FORBIDDEN = new RegExp(FORBIDDEN, "gu");
const NAME = /^[a-z0-9]+$/;
const MEDIA_TYPE = /^[^\s/;"]+\/[^\s/;"]+\s*(?:;.*)?$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/;
const INSTANT = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
/** With its dot: what Kite's own timestamps may have. */
const MAX_FRACTION = 10;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Whether an attribute may be called so. @param {string} name */
export const isName = (name) => NAME.test(name);

/** Whether CloudEvents' String can hold it. @param {unknown} text @returns {text is string} */
export const isPlain = (text) => typeof text === "string" && !HOLDS_FORBIDDEN.test(text);

/**
 * The text of an attribute; throws RequestError `cloudevent_attribute_invalid`.
 * @param {string} name
 * @param {unknown} value
 * @param {Check} [check] - what else it must be, besides a text without control characters
 */
export function readText(name, value, check) {
  if (typeof value !== "string") throw wrong(name, "it must be a text");
  if (!isPlain(value)) throw wrong(name, "it holds a control character or a noncharacter");
  const problem = check?.(value) ?? null;
  if (problem !== null) throw wrong(name, problem);
  return value;
}

/** @type {Check} */
const filled = (text) => (text ? null : "it is empty");

/** A URI reference, as far as every reader of one must agree: white space is in none. @type {Check} */
export const reference = (text) => (/\s/.test(text) ? "it holds white space" : filled(text));

/** @type {Check} */
const uri = (text) => reference(text) ?? (SCHEME.test(text) ? null : "it is no absolute URI");

/** @type {Check} */
const mediaType = (text) => (MEDIA_TYPE.test(text) ? null : "it is no media type such as 'text/plain'");

/** @type {Check} */
const instant = (text) => (canonical(text) === null ? "it is no RFC 3339 instant" : null);

/**
 * An RFC 3339 instant as Kite's timestamps are written: capital letters and at most nine digits behind
 * the dot; null where it is none.
 * @param {string} text
 */
export function canonical(text) {
  const found = INSTANT.exec(text);
  if (found === null) return null;
  const [, day, minute, second, fraction = "", zone] = found;
  const leap = second === "60" ? "59" : second;
  const read = new Date(`${day}T${minute}:${leap}Z`);
  // A day that is none is taken for another one.
  if (Number.isNaN(read.getTime()) || !read.toISOString().startsWith(`${day}T${minute}:${leap}`)) return null;
  return `${day}T${minute}:${second}${fraction.slice(0, MAX_FRACTION)}${zone.toUpperCase()}`;
}

/** Whether an extension attribute may have this value. @param {unknown} value */
export const isValue = (value) =>
  isPlain(value) || typeof value === "boolean" || (Number.isInteger(value) && Number(value) >= -(2 ** 31) && Number(value) < 2 ** 31);

/** Why a value is no text in Base64, or null when it is one. @param {unknown} value */
export function base64Problem(value) {
  if (typeof value !== "string") return "it is no text";
  return BASE64.test(value) ? null : "it is not padded, or holds other characters";
}

/**
 * JSON text with the same meaning and nothing in it that CloudEvents' String cannot hold.
 * @param {string} text
 */
export const armoured = (text) =>
  text.replace(ALL_FORBIDDEN, (character) =>
    character < " " ? " " : [...Array(character.length).keys()].map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""),
  );

/** A text with what CloudEvents' String cannot hold in percent encoding. @param {string} text */
export const quoted = (text) =>
  text.replace(ALL_FORBIDDEN, (character) => [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""));

/** A refusal of an attribute. @param {string} attribute @param {string} detail */
export const wrong = (attribute, detail) => new RequestError("cloudevent_attribute_invalid", { attribute: attribute.slice(0, 80), detail });

/**
 * The attributes that CloudEvents itself defines, but for `specversion`, and their forms.
 * @type {Readonly<Record<string, Check>>}
 */
export const FORMS = { id: filled, source: reference, type: filled, subject: filled, time: instant, datacontenttype: mediaType, dataschema: uri };
