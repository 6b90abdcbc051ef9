// What the author of a module has said: who listens to what, what runs first and last.
import { ModuleError } from "./errors.mjs";
import { Event } from "./event.mjs";

/** @import { Durable, Overflow, Subscription } from "./core/subscriptions.mjs" */
/** @import { OnGap } from "./gaps.mjs" */
/** @import { EventFrame } from "./wire/frame.mjs" */

/**
 * As a queue: the group that is called like the module, so that replicas share the work.
 */
export const OWN_NAME = Symbol("the module's own name");

/** @typedef {() => unknown} LifeHandler */

/**
 * One handler with what it listens to.
 * @typedef {object} Listener
 * @property {string | ((module: string) => string)} pattern - or what it is, once the name is known
 * @property {(event: any) => unknown} handle - the author's
 * @property {string | null | typeof OWN_NAME} queue
 * @property {boolean} echo
 * @property {number} concurrency - how many are handled at the same time
 * @property {boolean} isRequest - whether what the function returns is an answer
 * @property {Durable | null} durable
 * @property {Overflow} overflow
 * @property {OnGap | null} onGap
 */

/**
 * What is registered of a tool.
 * @typedef {{ name: string, description?: string, input_schema?: unknown, output_schema?: unknown, subject: string }} ToolEntry
 */

/** Everything that has been said so far. */
export class Declaration {
  /** @type {Listener[]} */
  listeners = [];
  /** @type {LifeHandler[]} */
  startHandlers = [];
  /** @type {{ handle: LifeHandler, estimatedCleanup: number }[]} */
  stopHandlers = [];
  /** @type {LifeHandler[]} */
  missedHandlers = [];
  /** What is registered, by its names on the wire. @type {Record<string, unknown> | null} */
  registered = null;
  /** A tool's subject is known when the module's name is. @type {{ name: string, record: (module: string) => ToolEntry }[]} */
  tools = [];
  /**
   * The name of the module that lives by it. From then on only what is registered changes.
   * @type {string | null}
   */
  livedBy = null;

  /** Whether there is something to register: the author said so, or it answers requests. */
  get offersSomething() {
    return this.registered !== null || this.tools.length > 0 || this.listeners.some((one) => one.isRequest);
  }

  /**
   * Whether handlers may still be declared; throws ModuleError `module_already_running`.
   * @param {string} what
   */
  checkOpen(what) {
    if (this.livedBy !== null) throw new ModuleError("module_already_running", { module: this.livedBy, what });
  }

  /**
   * Add a handler; throws ModuleError `module_already_running`, `handler_is_generator`, RangeError for
   * options that cannot be.
   * @param {Listener} listener
   */
  listen(listener) {
    const pattern = patternOf(listener, "MODULE");
    this.checkOpen(`a handler for '${pattern}'`);
    checkRuns(listener.handle, pattern);
    const { concurrency, durable } = listener;
    if (!Number.isInteger(concurrency) || concurrency < 1) throw new RangeError(`concurrency must be at least 1, not ${concurrency}`);
    for (const { durable: other } of durable ? this.listeners : []) {
      if (other?.name === durable?.name && JSON.stringify(other) !== JSON.stringify(durable)) {
        throw new RangeError(`durable '${durable?.name}' is given two different sets of options`);
      }
    }
    this.listeners.push(listener);
  }

  /**
   * Add to what is registered; the `metadata` of several calls are merged.
   * @param {Record<string, unknown>} fields
   */
  register(fields) {
    const said = this.registered ?? {};
    const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
    const metadata = { .../** @type {object | undefined} */ (said.metadata), .../** @type {object | undefined} */ (given.metadata) };
    this.registered = { ...said, ...given, ...(Object.keys(metadata).length > 0 && { metadata }) };
  }

  /**
   * The registration: what was said, and what the handlers show.
   * @param {string} module
   * @returns {Record<string, unknown>}
   */
  record(module) {
    const said = this.registered ?? {};
    const tools = [.../** @type {unknown[]} */ (said.tools ?? []), ...this.tools.map((tool) => tool.record(module))];
    const subscribed = this.listeners.map((listener) => patternOf(listener, module));
    return { ...said, ...(tools.length > 0 && { tools }), events_subscribe: said.events_subscribe ?? [...new Set(subscribed)] };
  }
}

/** @param {Listener} listener @param {string} module */
const patternOf = ({ pattern }, module) => (typeof pattern === "string" ? pattern : pattern(module));

/**
 * What is asked of the Hub.
 * @param {Listener} listener
 * @param {string} module
 * @returns {Subscription}
 */
export function subscriptionOf(listener, module) {
  const { queue, echo, durable, overflow } = listener;
  return { pattern: patternOf(listener, module), queue: queue === OWN_NAME ? module : queue, echo, durable, overflow };
}

/** @param {Listener} listener @returns {(event: EventFrame) => unknown} */
export const receiverOf = ({ handle }) => (event) => handle(new Event(event));

/**
 * Whether calling a function runs it: a generator's call only makes something to iterate over. Throws
 * ModuleError `handler_is_generator`, TypeError for what is no function.
 * @param {unknown} handle
 * @param {string} purpose - what it is declared for: a pattern, `onStart`, `onStop`, `onMissed`
 */
export function checkRuns(handle, purpose) {
  if (typeof handle !== "function") throw new TypeError(`the handler for '${purpose}' is no function`);
  const kind = handle.constructor.name;
  if (kind === "GeneratorFunction" || kind === "AsyncGeneratorFunction") {
    throw new ModuleError("handler_is_generator", { function: handle.name || "a function", pattern: purpose });
  }
}
