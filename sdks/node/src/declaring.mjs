// What an author declares: which functions get which events, and when they run.
import { Declaration, OWN_NAME, checkRuns } from "./declaration.mjs";
import { Surroundings } from "./surroundings.mjs";
import { checkPattern, checkSubject } from "./wire/subject.mjs";
import { NAME } from "./wire/tool.mjs";

/** @import { Durable, Overflow } from "./core/subscriptions.mjs" */
/** @import { LifeHandler } from "./declaration.mjs" */
/** @import { Event, Request } from "./event.mjs" */
/** @import { OnGap } from "./gaps.mjs" */

/**
 * @typedef {object} OnOptions
 * @property {string | null} [queue]
 * @property {boolean} [echo]
 * @property {number} [concurrency]
 * @property {Overflow} [overflow]
 * @property {OnGap | null} [onGap]
 * @property {string | null} [durable]
 * @property {string | null} [stream]
 * @property {string | number} [start]
 * @property {number} [ackWait]
 * @property {number} [maxDeliver]
 * @property {number} [maxInFlight]
 */

/** @typedef {{ queue?: string | null, concurrency?: number }} HandleOptions */
/** @typedef {{ description?: string, inputSchema?: unknown, outputSchema?: unknown, subject?: string } & HandleOptions} ToolOptions */

const OVERFLOWS = ["hold", "drop_oldest"];
const KNOWN = "queue echo concurrency overflow onGap durable stream start ackWait maxDeliver maxInFlight".split(" ");

/** The declaring part of a `Module`; see index.d.mts for what each means. */
export class Declaring extends Surroundings {
  declaration = new Declaration();

  /**
   * @param {string} pattern
   * @param {OnOptions | ((event: Event) => unknown)} options
   * @param {(event: Event) => unknown} [handler]
   */
  on(pattern, options, handler) {
    const [given, handle] = split(options, handler);
    check(given, KNOWN, `on('${pattern}')`);
    const { queue = null, echo = true, concurrency = 1, overflow = "hold", onGap = null, durable = null } = given;
    checkPattern(pattern);
    if (!OVERFLOWS.includes(overflow)) throw new RangeError(`overflow is ${OVERFLOWS.join(" or ")}, not ${overflow}`);
    if (onGap !== null && overflow === "hold") throw new RangeError(`'${pattern}' drops nothing: it has no overflow`);
    if (durable !== null && overflow !== "hold") throw new RangeError("a durable subscription drops nothing: it has no overflow");
    if (durable !== null && (queue !== null || !echo)) throw new RangeError("a durable subscription has neither a queue nor echo: false");
    const terms = durable === null ? null : termsOf(durable, given, concurrency);
    this.declaration.listen({ pattern, handle, queue, echo, concurrency, isRequest: false, durable: terms, overflow, onGap });
    return this;
  }

  /**
   * @param {string} subject
   * @param {HandleOptions | ((request: Request) => unknown)} options
   * @param {(request: Request) => unknown} [handler]
   */
  handle(subject, options, handler) {
    const [given, handle] = split(options, handler);
    check(given, ["queue", "concurrency"], `handle('${subject}')`);
    checkPattern(subject);
    this.#answer(subject, given, handle);
    return this;
  }

  /**
   * @param {string} name
   * @param {ToolOptions | ((request: Request) => unknown)} options
   * @param {(request: Request) => unknown} [handler]
   */
  tool(name, options, handler) {
    const [given, handle] = split(options, handler);
    check(given, ["description", "inputSchema", "outputSchema", "subject", "queue", "concurrency"], `tool('${name}')`);
    const { description, inputSchema, outputSchema, subject, ...how } = given;
    if (!NAME.test(name)) throw new RangeError(`a tool's name is ${NAME.source}, not '${name}'`);
    if (this.declaration.tools.some((other) => other.name === name)) {
      throw new RangeError(`there are two tools '${name}': give one of them another name`);
    }
    checkSubject(subject ?? `module.${name}`);
    this.#answer(subject ?? ((module) => `${module}.${name}`), how, handle);
    const record = (/** @type {string} */ module) => ({
      name,
      ...(description !== undefined && { description }),
      ...(inputSchema !== undefined && { input_schema: inputSchema }),
      ...(outputSchema !== undefined && { output_schema: outputSchema }),
      subject: subject ?? `${module}.${name}`,
    });
    this.declaration.tools.push({ name, record });
    return this;
  }

  /** @param {LifeHandler} handler */
  onStart(handler) {
    this.declaration.checkOpen("a start handler");
    checkRuns(handler, "onStart");
    this.declaration.startHandlers.push(handler);
    return this;
  }

  /** @param {LifeHandler} handler */
  onMissed(handler) {
    this.declaration.checkOpen("a handler of what was missed");
    checkRuns(handler, "onMissed");
    this.declaration.missedHandlers.push(handler);
    return this;
  }

  /**
   * @param {{ estimatedCleanup?: number } | LifeHandler} options
   * @param {LifeHandler} [handler]
   */
  onStop(options, handler) {
    const [given, handle] = split(options, handler);
    check(given, ["estimatedCleanup"], "onStop");
    this.declaration.checkOpen("a stop handler");
    checkRuns(handle, "onStop");
    this.declaration.stopHandlers.push({ handle, estimatedCleanup: given.estimatedCleanup ?? 0 });
    return this;
  }

  /**
   * @param {string | ((module: string) => string)} pattern
   * @param {HandleOptions} options
   * @param {(request: Request) => unknown} handle
   */
  #answer(pattern, { queue, concurrency = 16 }, handle) {
    const group = queue === undefined ? OWN_NAME : queue;
    this.declaration.listen({ pattern, handle, queue: group, echo: true, concurrency, isRequest: true, durable: null, overflow: "hold", onGap: null });
  }
}

/**
 * Options may be left out.
 * @template {object} Given
 * @template {Function} Handle
 * @param {Given} options
 * @param {Handle} [handler]
 * @returns {[Exclude<Given, Function>, Handle]}
 */
function split(options, handler) {
  if (typeof options === "function") return [/** @type {any} */ ({}), /** @type {any} */ (options)];
  return [/** @type {any} */ (options ?? {}), /** @type {any} */ (handler)];
}

/** A word that is not known would do nothing, in silence. @param {object} options @param {string[]} known @param {string} where */
function check(options, known, where) {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new RangeError(`${where} has no option '${name}'; it has ${known.join(", ")}`);
  }
}

/** @param {string} name @param {OnOptions} options @param {number} concurrency @returns {Durable} */
function termsOf(name, { stream = null, start = "new", ackWait = 30, maxDeliver = 5, maxInFlight }, concurrency) {
  return { name, stream, start, ackWait, maxDeliver, maxInFlight: maxInFlight ?? 8 * concurrency };
}
