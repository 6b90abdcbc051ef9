// Kite's events as CloudEvents 1.0 in JSON, and the other way: nothing is lost.
//
// docs/reference/cloudevents.md has the mapping as a table. What one side has no word for travels among
// the other's extensions: as headers `ce-…` in a Kite event, as attributes `kite…` in a CloudEvent.
import { createHash } from "node:crypto";
import { RequestError } from "../errors.mjs";
import { FORMS, armoured, base64Problem, canonical, isName, isPlain, isValue, quoted, readText, reference, wrong } from "./attributes.mjs";

/** @import { Check } from "./attributes.mjs" */
/** @typedef {Record<string, unknown>} Fields */

const VERSION = "1.0";
const MAX_EVENT_ID_BYTES = 128;
const REQUIRED = ["id", "source", "type"];
/** Attributes for which a Kite event has no field: headers `ce-<name>`. */
const IN_HEADERS = ["subject", "datacontenttype", "dataschema"];
const SOURCE = "ce-source";
const TIME = "ce-time";
const ENCODING = "ce-datacontentencoding";
/** @type {Record<string, string>} */
const TEXTS = { kitereplyto: "reply_to", kitestream: "stream", kitedurable: "durable" };
/** @type {Record<string, string>} */
const NUMBERS = { kiteseq: "seq", kiteattempt: "attempt" };
const PAYLOADS = ["data", "data_base64"];
/** Names that are no extension of somebody else's. */
const SPOKEN_FOR = new Set([...Object.keys({ ...FORMS, ...TEXTS, ...NUMBERS }), ...PAYLOADS, "specversion", "kiteack", "kitesource", "kiteheaders", "kitefields"]);
/** Fields of a Kite event that become attributes of their own. */
const HAVE_A_WAY = new Set([...Object.values({ ...TEXTS, ...NUMBERS }), "type", "event", "event_id", "source", "timestamp", "headers", "ack", "data"]);
/** Fields that are never found in `kitefields`. */
const NOT_ODD = new Set(["type", "source", "headers", "ack", "data"]);
const NUMBER = /^(?:0|[1-9]\d*)$/;
const MARKED = /~[0-9a-f]{16}$/;

/**
 * The `event_id` of a CloudEvent. CloudEvents counts ids for each `source`, Kite for each module: what
 * a module publishes in another's name has that name's mark.
 * @param {string} id
 * @param {string} told - its `source`
 * @param {string} source - the module that publishes it
 */
function eventIdOf(id, told, source) {
  if (told === source && !MARKED.test(id)) return id;
  return `${id}~${createHash("sha256").update(told).digest("hex").slice(0, 16)}`;
}

// -- in --------------------------------------------------------------------------------------

/**
 * A CloudEvent as a Kite event. Throws RequestError `cloudevent_…`.
 * @param {Readonly<Fields>} cloudevent
 * @param {string} [sender] - the module that publishes it; without it the CloudEvent is only read
 * @returns {Fields}
 */
export function fromCloudEvent(cloudevent, sender) {
  // An attribute that is null is not set; data that are null are.
  const given = Object.fromEntries(Object.entries(cloudevent).filter(([name, value]) => value !== undefined && (name === "data" || value !== null)));
  const texts = attributesOf(given);
  const source = sender ?? texts.kitesource ?? texts.source;
  /** @type {Fields} */
  const event = { type: "event", event: texts.type, event_id: eventIdOf(texts.id, texts.source, source), source };
  if ("time" in texts) event.timestamp = canonical(texts.time);
  Object.assign(event, fieldsOf(texts));
  checkSize(event.event_id);
  const headers = headersOf(given, texts, source);
  if (Object.keys(headers).length > 0 || "kiteheaders" in given) event.headers = headers;
  if ("kiteack" in given) {
    if (typeof given.kiteack !== "boolean") throw wrong("kiteack", "it must be true or false");
    event.ack = given.kiteack;
  }
  for (const name of PAYLOADS) if (name in given) event.data = given[name];
  return event;
}

/** The texts of the attributes that CloudEvents and Kite define; everything is checked. @param {Fields} given */
function attributesOf(given) {
  if (!("specversion" in given)) throw new RequestError("cloudevent_attribute_missing", { attribute: "specversion" });
  const version = readText("specversion", given.specversion);
  if (version !== VERSION) throw new RequestError("cloudevent_version", { version: version.slice(0, 40) });
  /** @type {Record<string, string>} */
  const texts = {};
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(FORMS, name)) texts[name] = readText(name, value, FORMS[name]);
    else if (!PAYLOADS.includes(name)) {
      if (!isName(name)) throw new RequestError("cloudevent_name_invalid", { name: name.slice(0, 80) });
      if (!isValue(value)) throw wrong(name, "it must be a text, true, false or a whole number of 32 bits");
      if (SPOKEN_FOR.has(name) && name !== "kiteack") texts[name] = readText(name, value);
    }
  }
  for (const attribute of REQUIRED) if (!(attribute in texts)) throw new RequestError("cloudevent_attribute_missing", { attribute });
  if ("data_base64" in given) {
    if ("data" in given) throw new RequestError("cloudevent_data_twice");
    const detail = base64Problem(given.data_base64);
    if (detail !== null) throw new RequestError("cloudevent_data_invalid", { detail });
  }
  return texts;
}

/** @param {unknown} eventId */
function checkSize(eventId) {
  if (typeof eventId !== "string") throw wrong("kitefields", "its event_id must be a text");
  const size = Buffer.byteLength(eventId);
  if (size > MAX_EVENT_ID_BYTES) throw wrong("id", `the event_id made of it has ${size} bytes, ${MAX_EVENT_ID_BYTES} at most`);
}

/** What only Kite knows. @param {Record<string, string>} texts @returns {Fields} */
function fieldsOf(texts) {
  const fields = "kitefields" in texts ? readObject("kitefields", texts) : {};
  for (const name of Object.keys(fields)) if (NOT_ODD.has(name)) throw wrong("kitefields", `'${name}' has no place in it`);
  for (const [name, field] of Object.entries(TEXTS)) if (name in texts) fields[field] = texts[name];
  for (const [name, field] of Object.entries(NUMBERS)) {
    if (!(name in texts)) continue;
    if (!NUMBER.test(texts[name])) throw wrong(name, "it must be the digits of a whole number");
    fields[field] = Number(texts[name]);
  }
  return fields;
}

/** @param {Fields} given @param {Record<string, string>} texts @param {string} source */
function headersOf(given, texts, source) {
  const headers = "kiteheaders" in texts ? readObject("kiteheaders", texts) : {};
  if (texts.source !== source) headers[SOURCE] = texts.source;
  if ("time" in texts && canonical(texts.time) !== texts.time) headers[TIME] = texts.time;
  for (const name of IN_HEADERS) if (name in texts) headers[`ce-${name}`] = texts[name];
  if ("data_base64" in given) headers[ENCODING] = "base64";
  for (const [name, value] of Object.entries(given)) if (!SPOKEN_FOR.has(name)) headers[name] = value;
  return headers;
}

/** @param {string} name @param {Record<string, string>} texts @returns {Fields} */
function readObject(name, texts) {
  try {
    const found = JSON.parse(texts[name]);
    if (found !== null && typeof found === "object" && !Array.isArray(found)) return found;
  } catch {
    // said below
  }
  throw wrong(name, "it must hold a JSON object as text");
}

// -- out -------------------------------------------------------------------------------------

/**
 * A Kite event, such as the Hub passes on, as a CloudEvent.
 * @param {Readonly<Fields>} frame - with `event`, `event_id` and `source`
 * @returns {Fields}
 */
export function toCloudEvent(frame) {
  const odd = Object.fromEntries(Object.entries(frame).filter(([name]) => !HAVE_A_WAY.has(name)));
  const headers = { .../** @type {Fields} */ (frame.headers ?? {}) };
  const isBare = "headers" in frame && Object.keys(headers).length === 0;
  const source = String(frame.source);
  const told = take(headers, SOURCE, (text) => reference(text) ?? (text === source ? "it says nothing new" : null));
  /** @type {Fields} */
  const event = { specversion: VERSION, id: idOf(frame, told ?? source, source, odd), source: told ?? source, type: typeOf(frame, odd) };
  if (told !== null) event.kitesource = source;
  if ("timestamp" in frame) putTime(event, String(frame.timestamp), headers, odd);
  for (const name of IN_HEADERS) {
    const text = take(headers, `ce-${name}`, FORMS[name]);
    if (text !== null) event[name] = text;
  }
  putFields(event, frame, odd);
  const payload = payloadOf(frame, headers);
  /** @type {Fields} */
  const rest = {};
  for (const [name, value] of Object.entries(headers)) {
    const isFree = isName(name) && !SPOKEN_FOR.has(name) && isValue(value);
    (isFree ? event : rest)[name] = value;
  }
  if (Object.keys(rest).length > 0 || isBare) event.kiteheaders = armoured(JSON.stringify(rest));
  if (Object.keys(odd).length > 0) event.kitefields = armoured(JSON.stringify(odd));
  return { ...event, ...payload };
}

/**
 * The `id` that gives this `event_id` back; where none does, that is odd.
 * @param {Readonly<Fields>} frame
 * @param {string} told
 * @param {string} source
 * @param {Fields} odd
 */
function idOf(frame, told, source, odd) {
  const eventId = String(frame.event_id);
  for (const found of [eventId.replace(MARKED, ""), eventId]) {
    if (found && isPlain(found) && eventIdOf(found, told, source) === eventId) return found;
  }
  odd.event_id = eventId;
  return quoted(eventId);
}

/** @param {Readonly<Fields>} frame @param {Fields} odd */
function typeOf(frame, odd) {
  const subject = String(frame.event);
  if (isPlain(subject)) return subject;
  odd.event = subject;
  return quoted(subject);
}

/** @param {Fields} event @param {string} stamp @param {Fields} headers @param {Fields} odd */
function putTime(event, stamp, headers, odd) {
  const told = take(headers, TIME, (text) => (text !== stamp && canonical(text) === stamp ? null : "it is no other form of the instant"));
  if (told !== null) event.time = told;
  else if (canonical(stamp) === stamp) event.time = stamp;
  else odd.timestamp = stamp;
}

/** What CloudEvents has no word for. @param {Fields} event @param {Readonly<Fields>} frame @param {Fields} odd */
function putFields(event, frame, odd) {
  for (const [name, field] of Object.entries(TEXTS)) {
    if (!(field in frame)) continue;
    if (isPlain(frame[field])) event[name] = frame[field];
    else odd[field] = frame[field];
  }
  for (const [name, field] of Object.entries(NUMBERS)) {
    if (!(field in frame)) continue;
    if (Number.isSafeInteger(frame[field]) && Number(frame[field]) >= 0) event[name] = String(frame[field]);
    else odd[field] = frame[field];
  }
  if ("ack" in frame) event.kiteack = frame.ack;
}

/** `data`, or `data_base64` where the event says that its data are Base64. @param {Readonly<Fields>} frame @param {Fields} headers */
function payloadOf(frame, headers) {
  if (!("data" in frame)) return {};
  if (headers[ENCODING] === "base64" && base64Problem(frame.data) === null) {
    delete headers[ENCODING];
    return { data_base64: frame.data };
  }
  return { data: frame.data };
}

/**
 * Take the text of a header away; null, and it stays, where it is not as it must be.
 * @param {Fields} headers
 * @param {string} name
 * @param {Check} check
 */
function take(headers, name, check) {
  const text = headers[name];
  if (!isPlain(text) || check(text) !== null) return null;
  delete headers[name];
  return text;
}
