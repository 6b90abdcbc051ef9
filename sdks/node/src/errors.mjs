// The error tree: one base class, and under it who is at fault.
//
// A code stands once in protocol/errors.json. What the SDK itself raises is repeated below, as the
// package has to stand alone; a test compares the two.

/** @typedef {Record<string, unknown>} Params */
/** @typedef {{ message: string, hint: string, exit: number }} ErrorKind */

/** @type {Readonly<Record<string, ErrorKind>>} */
export const KINDS = {
  bad_environment: {
    message: "the environment of this module is wrong: {detail}",
    hint: "let Kite start it: kite up",
    exit: 2,
  },
  bad_response: {
    message: "the answer of {url} cannot be understood: {detail}",
    hint: "check that the port belongs to Kite: kite ps",
    exit: 1,
  },
  bad_status: {
    message: "{url} answered with status {status}",
    hint: "see kite logs for what happened there",
    exit: 1,
  },
  busy: {
    message: "module {module} has too many requests of '{subject}' waiting and takes no more",
    hint: "try again in a moment, or ask less at once",
    exit: 1,
  },
  cloudevent_attribute_invalid: {
    message: "the CloudEvent's attribute '{attribute}' is wrong: {detail}",
    hint: "",
    exit: 2,
  },
  cloudevent_attribute_missing: {
    message: "the CloudEvent lacks the attribute '{attribute}'",
    hint: "give id, source, specversion and type to every CloudEvent",
    exit: 2,
  },
  cloudevent_data_invalid: {
    message: "the CloudEvent's data_base64 is no Base64: {detail}",
    hint: "",
    exit: 2,
  },
  cloudevent_data_twice: {
    message: "the CloudEvent has both data and data_base64",
    hint: "send one of the two",
    exit: 2,
  },
  cloudevent_name_invalid: {
    message: "'{name}' cannot be the name of a CloudEvent's attribute",
    hint: "use lower-case letters and digits only",
    exit: 2,
  },
  cloudevent_version: {
    message: "the CloudEvent's specversion '{version}' is not understood",
    hint: "send CloudEvents of version 1.0",
    exit: 2,
  },
  connection_lost: {
    message: "the connection to the event hub was lost",
    hint: "try again in a moment; kite ps shows whether the hub runs",
    exit: 1,
  },
  event_too_large: {
    message: "the event '{subject}' has {size} bytes, and {limit} is the most",
    hint: "put the content into a file and publish its path",
    exit: 1,
  },
  handler_failed: {
    message: "the handler of '{subject}' in module {module} failed: {detail}",
    hint: "read its traceback: kite logs {module}",
    exit: 1,
  },
  handler_is_generator: {
    message: "'{function}' for '{pattern}' is a generator: calling it runs nothing",
    hint: "return one value instead of using yield; publish the others",
    exit: 1,
  },
  handshake_failed: {
    message: "'{url}' did not accept a WebSocket connection: status {status}, {detail}",
    hint: "check that this is the ws_endpoint that the registry tells",
    exit: 1,
  },
  invalid_pattern: { message: "pattern '{pattern}' is invalid: {detail}", hint: "", exit: 2 },
  invalid_subject: { message: "subject '{subject}' is invalid: {detail}", hint: "", exit: 2 },
  module_already_running: {
    message: "module {module} runs already: {what} cannot be added any more",
    hint: "declare it before module.run()",
    exit: 2,
  },
  module_not_running: {
    message: "module {module} is not connected: it is not running",
    hint: "do it in a handler, or after module.run() has started",
    exit: 1,
  },
  module_stopping: {
    message: "module {module} is stopping and takes no more work",
    hint: "try again in a moment",
    exit: 1,
  },
  no_boot_line: {
    message: "the first line on standard input is not a boot line: {detail}",
    hint: "let Kite start it, with stdin: boot in its module.md",
    exit: 2,
  },
  no_responders: {
    message: "nobody answers requests on '{subject}'",
    hint: "see kite ps for whether the module that should is running",
    exit: 1,
  },
  not_found: { message: "there is nothing at '{path}'", hint: "", exit: 1 },
  not_ready: { message: "{what} is not ready yet", hint: "try again in a moment", exit: 4 },
  not_under_kite: {
    message: "this program is a Kite module and was not started by Kite: {name} is not set",
    hint: "put its folder under modules/ and type kite up",
    exit: 2,
  },
  publish_queue_full: {
    message: "{count} events ({size} bytes) wait for the event hub, and more are not kept",
    hint: "await module.drained() while publishing much",
    exit: 1,
  },
  request_timeout: {
    message: "no answer to '{subject}' within {timeout} s",
    hint: "raise the timeout, or look into the log of the module that answers",
    exit: 4,
  },
  responder_lost: {
    message: "whoever got the request on '{subject}' has left without answering",
    hint: "ask again if doing it twice does no harm; see kite logs for why it left",
    exit: 1,
  },
  tool_ambiguous: {
    message: "several modules offer a tool '{tool}': {names}",
    hint: "name one of these",
    exit: 1,
  },
  tool_not_callable: {
    message: "{module} offers '{tool}', and says no subject on which it could be called",
    hint: "give it a subject where {module} registers its tools",
    exit: 1,
  },
  tool_unknown: {
    message: "no module offers a tool '{tool}'",
    hint: "see kite tools for what is offered now",
    exit: 1,
  },
  unauthorized: {
    message: "the token is missing or not known",
    hint: "send Authorization: Bearer TOKEN with the token of your boot line",
    exit: 6,
  },
  unreachable: {
    message: "nobody answers at {url}: {detail}",
    hint: "see kite ps whether it is running",
    exit: 3,
  },
};

/**
 * Fill a template. A placeholder without a value stays as it is written.
 * @param {string} template
 * @param {Params} params
 */
function render(template, params) {
  return template.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole));
}

/** Base of all errors that Kite raises on purpose: a program reads `code` and `params`. */
export class KiteError extends Error {
  /**
   * @param {string} code - of protocol/errors.json, or the author's own
   * @param {Params} [params] - fill the placeholders; `detail` is the message of a code of one's own
   */
  constructor(code, params = {}) {
    const kind = Object.hasOwn(KINDS, code) ? KINDS[code] : undefined;
    super(kind ? render(kind.message, params) : String(params.detail ?? code));
    this.name = new.target.name;
    this.code = code;
    this.params = params;
    /** What to do next; may be empty. */
    this.hint = kind ? render(kind.hint, params) : "";
  }

  /** The exit status of a program that ends with it. */
  get exit() {
    return Object.hasOwn(KINDS, this.code) ? KINDS[this.code].exit : 1;
  }

  /** @override */
  toString() {
    return this.hint ? `${this.message}; ${this.hint}` : this.message;
  }
}

/** An environment or a file that a person wrote is wrong. */
export class ConfigError extends KiteError {}
/** The caller asked for something that cannot be done. */
export class RequestError extends KiteError {}
/** The other side of a connection broke the protocol or refused. */
export class PeerError extends KiteError {}
/** A module's own program is wrong. */
export class ModuleError extends KiteError {}
/** Not now; the same call may succeed later. */
export class Unavailable extends KiteError {}
