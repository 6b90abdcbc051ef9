// The module as its author writes it.
//
//     import { Module } from "kite-runtime";
//
//     const module = new Module();
//     module.handle("greet", (request) => ({ text: `hello, ${request.data.name}` }));
//     await module.run();
import { Declaring } from "./declaring.mjs";
import { Unavailable } from "./errors.mjs";
import { Life } from "./life.mjs";
import { run, serve } from "./process.mjs";
import { publish, publishAcked } from "./publishing.mjs";
import { RegistryClient } from "./registry-client.mjs";
import { subjectOf } from "./wire/tool.mjs";

/** @import { Headers } from "./core/envelopes.mjs" */
/** @import { Connect } from "./link.mjs" */
/** @import { Log } from "./log.mjs" */
/** @import { ModuleSettings } from "./settings.mjs" */
/** @import { BootLine } from "./wire/boot.mjs" */

/**
 * @typedef {object} Offer
 * @property {string} [type]
 * @property {string} [name]
 * @property {string} [apiEndpoint]
 * @property {string} [healthEndpoint]
 * @property {Record<string, string> | string[]} [eventsPublish]
 * @property {string[]} [eventsSubscribe]
 * @property {unknown[]} [tools]
 * @property {Record<string, unknown>} [metadata]
 */

/** A Kite module: declare what it does, then `run` it. See index.d.mts for what each means. */
export class Module extends Declaring {
  /** @type {Life | null} */
  #life = null;

  /** @param {Module} module */
  static lifeOf(module) {
    return module.#running;
  }

  // -- declaring -----------------------------------------------------------------------------

  /** @param {Offer} offer */
  register({ type, name, apiEndpoint, healthEndpoint, eventsPublish, eventsSubscribe, tools, metadata }) {
    this.declaration.register({
      module_type: type,
      name,
      api_endpoint: apiEndpoint,
      health_endpoint: healthEndpoint,
      events_publish: eventsPublish,
      events_subscribe: eventsSubscribe,
      tools,
      metadata,
    });
    this.#life?.refreshRegistration();
    return this;
  }

  // -- speaking ------------------------------------------------------------------------------

  /**
   * @param {string} subject
   * @param {unknown} [data]
   * @param {{ headers?: Headers }} [options]
   */
  publish(subject, data, { headers } = {}) {
    return publish(this.#running, subject, data, headers);
  }

  /**
   * @param {string} subject
   * @param {unknown} [data]
   * @param {{ headers?: Headers, timeout?: number }} [options]
   */
  async publishAcked(subject, data, { headers, timeout = 10 } = {}) {
    return publishAcked(this.#running, subject, data, headers, timeout);
  }

  async drained() {
    await this.#running.publisher.drained();
  }

  /**
   * @param {string} subject
   * @param {unknown} [data]
   * @param {{ headers?: Headers, timeout?: number }} [options]
   * @returns {Promise<any>}
   */
  async request(subject, data, { headers, timeout = 5 } = {}) {
    return this.#running.questions.ask(subject, data, { timeout, headers });
  }

  /**
   * @param {string} tool
   * @param {unknown} [data]
   * @param {{ headers?: Headers, timeout?: number }} [options]
   * @returns {Promise<any>}
   */
  async call(tool, data, { headers, timeout = 30 } = {}) {
    const subject = subjectOf(await this.registry.tools(), tool);
    return this.request(subject, data, { headers, timeout });
  }

  get registry() {
    return this.#running.directory;
  }

  get launcher() {
    return this.#running.launcher;
  }

  // -- living --------------------------------------------------------------------------------

  /**
   * @template Result
   * @param {(signal: AbortSignal) => PromiseLike<Result> | Result} work
   */
  spawn(work) {
    return this.#running.spawn(work);
  }

  stop(status = 0) {
    this.#running.stop("own", status);
  }

  async ready() {
    await this.#running.ready();
  }

  /** @returns {Promise<never>} */
  run() {
    return run(this);
  }

  serve() {
    return serve(this);
  }

  // -- knowing -------------------------------------------------------------------------------

  get signal() {
    return this.#running.signal;
  }

  get life() {
    return this.#running.number;
  }

  get token() {
    return this.#running.token;
  }

  get replica() {
    return this.#running.replica;
  }

  /**
   * Make the life that this module is to live: for `run`, and for tests.
   * @param {ModuleSettings} settings
   * @param {BootLine} boot
   * @param {{ log?: Log, connect?: Connect, registry?: RegistryClient }} [options]
   */
  begin(settings, boot, { log, connect, registry } = {}) {
    this.settle(settings, log);
    this.declaration.livedBy = settings.module;
    this.#life = new Life(this.declaration, {
      name: settings.module,
      boot,
      registry: registry ?? new RegistryClient(settings.registryPort, boot.token),
      log: this.log,
      ...(connect && { connect }),
    });
    return this.#life;
  }

  get #running() {
    if (this.#life === null || this.#life.isOver) {
      throw new Unavailable("module_not_running", { module: this.declaration.livedBy ?? process.env.KITE_MODULE ?? "" });
    }
    return this.#life;
  }
}

/** The life that a module lives; throws Unavailable `module_not_running`. @param {Module} module */
export const lifeOf = (module) => Module.lifeOf(module);
