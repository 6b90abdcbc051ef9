// One life of a module: the shell around core/session.mjs that connects, announces, leaves.
import { randomBytes } from "node:crypto";
import { HubConnection } from "./connection.mjs";
import { Envelopes } from "./core/envelopes.mjs";
import { estimate, ordersOf } from "./core/farewell.mjs";
import { MAX_BACKLOG as NEWEST_BACKLOG } from "./core/newest.mjs";
import { Session } from "./core/session.mjs";
import { settlementOf } from "./core/settlement.mjs";
import { receiverOf, subscriptionOf } from "./declaration.mjs";
import { Departure } from "./departure.mjs";
import { KiteError, Unavailable } from "./errors.mjs";
import { tellingGaps } from "./gaps.mjs";
import { Gate } from "./gate.mjs";
import { Handler, MAX_BACKLOG, asError } from "./handlers.mjs";
import { LauncherClient } from "./launcher-client.mjs";
import { monotonic, pause } from "./limit.mjs";
import { Link } from "./link.mjs";
import { Publisher } from "./publisher.mjs";
import { Registration } from "./registration.mjs";
import { RegistryCopy } from "./registry-copy.mjs";
import { Answers, Questions } from "./requests.mjs";

/** @import { Cause, Orders } from "./core/farewell.mjs" */
/** @import { Action, Fact } from "./core/session.mjs" */
/** @import { Declaration, LifeHandler, Listener } from "./declaration.mjs" */
/** @import { Connect } from "./link.mjs" */
/** @import { Lost } from "./connection.mjs" */
/** @import { Log } from "./log.mjs" */
/** @import { RegistryClient } from "./registry-client.mjs" */
/** @import { BootLine } from "./wire/boot.mjs" */
/** @import { ErrorFrame, EventFrame, Gap } from "./wire/frame.mjs" */

const ENDPOINT = "event_hub.metadata.ws_endpoint";
const WARN_AT = 8;

/** What runs between a module's boot line and its end. */
export class Life {
  #connect;
  #isAsked;
  /** @type {Fact[]} */
  #facts = [];
  #isHandling = false;
  /** @type {string | null} */
  #endpoint;
  #wasTold;
  /** @type {Registration | null} */
  #registration = null;
  #isRegistered = false;
  /** @type {Link | null} */
  #before = null;
  /** @type {Orders | null} */
  #orders = null;
  /** @type {Departure | null} */
  #departure = null;
  /** @type {Cause | null} */
  #cause = null;
  #isInAHurry = false;
  #hasBegunToStart = false;
  #failures = 0;
  #ready = new Gate(false);
  /** @type {(status: number) => void} */
  #finish = () => {};
  #ending = new AbortController();
  /** @type {Link | null} */
  link = null;
  /** Whether nothing can be published any more. */
  isOver = false;
  session = new Session();
  /** Work beside the handlers. @type {Set<Promise<unknown>>} */
  tasks = new Set();
  /** @type {Map<Handler, Answers>} */
  answers = new Map();

  /**
   * @param {Declaration} declaration - what the module's author has said
   * @param {{ name: string, boot: BootLine, registry: RegistryClient, log: Log, connect?: Connect }} options
   */
  constructor(declaration, { name, boot, registry, log, connect = HubConnection.open }) {
    this.declaration = declaration;
    this.name = name;
    this.number = boot.life;
    this.replica = boot.replica;
    this.token = boot.token;
    this.log = log;
    this.registry = registry;
    this.directory = new RegistryCopy(registry, this.#ending.signal);
    this.launcher = new LauncherClient(registry, boot.token);
    this.envelopes = new Envelopes(name, randomBytes(6).toString("hex"));
    this.publisher = new Publisher();
    this.questions = new Questions(this.envelopes, this.publisher);
    this.handlers = declaration.listeners.map((listener) => this.#handler(listener));
    this.#connect = connect;
    this.#isAsked = boot.isAsked;
    this.#endpoint = boot.wsEndpoint || null;
    this.#wasTold = boot.wsEndpoint !== "";
    if (declaration.offersSomething) {
      const record = () => declaration.record(name);
      this.#registration = new Registration(registry, name, boot.life, record, (error) => this.#tell({ is: "failed", error }));
    }
  }

  // -- what the module asks for ------------------------------------------------------------

  /** Aborted when the module's own work is to end. */
  get signal() {
    return this.#ending.signal;
  }

  /**
   * Work of the module; its failure ends the module.
   * @template Result
   * @param {(signal: AbortSignal) => PromiseLike<Result> | Result} work
   * @returns {Promise<Result | undefined>}
   */
  spawn(work) {
    const task = this.#heeded(work);
    this.tasks.add(task);
    void task.finally(() => this.tasks.delete(task));
    return task;
  }

  /**
   * @template Result
   * @param {(signal: AbortSignal) => PromiseLike<Result> | Result} work
   */
  async #heeded(work) {
    try {
      return await work(this.signal);
    } catch (failure) {
      // What ends because it is asked to has not failed.
      if (!this.signal.aborted) this.fail("task.failed", failure);
      return undefined;
    }
  }

  /**
   * Something of the module's own has failed: it ends with its stack and status 1.
   * @param {string} what
   * @param {unknown} failure
   */
  fail(what, failure) {
    this.log.error(what, asError(failure));
    this.stop("own", 1);
  }

  /**
   * Leave in good order; while leaving already, hurry if it is a signal.
   * @param {Cause} cause
   * @param {number} [status]
   */
  stop(cause, status = 0) {
    if (this.#departure !== null) {
      this.#departure.hurry(cause);
      return;
    }
    if (this.#cause === null) this.#cause = cause;
    else if (cause === "signal" || cause === "lifeline") this.#isInAHurry = true;
    this.#tell({ is: "stop_asked", status });
  }

  /** Wait until `module.ready` has been published for the first time. */
  ready() {
    return this.#ready.passed();
  }

  /** What is registered has changed. */
  refreshRegistration() {
    if (this.#ready.isOpen) this.#registration?.refresh();
  }

  // -- facts in, actions out ---------------------------------------------------------------

  /** Live; returns the exit status. */
  async run() {
    /** @type {Promise<number>} */
    const ended = new Promise((resolve) => (this.#finish = resolve));
    this.#tell({ is: "begun" });
    try {
      return await ended;
    } finally {
      this.isOver = true;
      this.#ending.abort();
      this.#registration?.end();
      this.publisher.detach();
      this.link?.abort();
    }
  }

  /** @param {Fact} fact */
  #tell(fact) {
    this.#facts.push(fact);
    if (this.#isHandling) return;
    this.#isHandling = true;
    queueMicrotask(() => {
      for (let next = this.#facts.shift(); next !== undefined; next = this.#facts.shift()) {
        for (const action of this.session.handle(next, monotonic(), Math.random())) this.#perform(action);
      }
      this.#isHandling = false;
    });
  }

  /** @param {Action} action */
  #perform(action) {
    switch (action.do) {
      case "join":
        void this.#guarded(this.#join(action.delay));
        break;
      case "run_start_handlers":
        this.#hasBegunToStart = true;
        if (this.link !== null) this.publisher.attach(this.link.connection);
        void this.#guarded(this.#start());
        break;
      case "say_ready":
        this.#sayReady();
        break;
      case "leave":
        void this.#leave(action.status, action.error ?? null);
        break;
    }
  }

  get #isStopping() {
    return this.session.phase === "stopping";
  }

  /** What fails here has not been foreseen, or is a start handler's. @param {Promise<void>} work */
  async #guarded(work) {
    try {
      await work;
    } catch (failure) {
      if (this.#isStopping) this.log.debug("module.failed", asError(failure));
      else this.fail("module.failed", failure);
    }
  }

  // -- joining -----------------------------------------------------------------------------

  /** @param {number} delay - seconds */
  async #join(delay) {
    if (delay > 0) await pause(delay);
    if (this.#isStopping) return;
    const link = new Link(this.handlers, this.envelopes, {
      onShutdown: (event) => this.#shutdown(event),
      onAnswer: (event, request) => this.questions.answered(event, request),
      onRefused: (error) => this.#refused(error),
      onGap: (gap) => this.#missed(gap),
      onMissed: (reason) => this.#notResumed(reason),
      onLost: (lost, how) => this.#lost(lost, how),
    });
    try {
      const endpoint = await this.#findEndpoint();
      if (this.#isStopping) return;
      const after = this.#before;
      this.#before = this.link = link;
      await link.open(this.#connect, endpoint, this.token, { isAsked: this.#isAsked, after });
      await this.#register();
      if (link.isLost) throw new Unavailable("connection_lost");
    } catch (failure) {
      if (this.link === link) this.link = null;
      link.abort();
      if (!(failure instanceof KiteError)) throw failure;
      this.#sayUnavailable(failure);
      this.#tell({ is: "failed", error: failure });
      return;
    }
    this.#failures = 0;
    this.#tell({ is: "joined" });
  }

  /** Once an outage: a restart of the Hub is over before that many tries. @param {KiteError} failure */
  #sayUnavailable(failure) {
    this.#failures += 1;
    const level = this.#failures === WARN_AT ? "warn" : "debug";
    this.log[level]("hub.unavailable code=%s: %s", failure.code, failure.message);
  }

  async #findEndpoint() {
    if (this.#wasTold && this.#endpoint !== null) {
      this.#wasTold = false; // if there is anything wrong with it, the Registry knows better
      return this.#endpoint;
    }
    try {
      const endpoint = await this.registry.get(ENDPOINT);
      if (typeof endpoint !== "string") throw new Unavailable("not_ready", { what: "the event hub" });
      this.#endpoint = endpoint;
    } catch (failure) {
      // The Hub's port never changes during a run, and the Hub knows our token without the Registry:
      // its outage need not be ours.
      if (!(failure instanceof Unavailable) || this.#endpoint === null) throw failure;
    }
    return this.#endpoint;
  }

  async #register() {
    const registration = this.#registration;
    if (registration === null) return;
    try {
      await registration.register();
    } catch (failure) {
      if (!(failure instanceof Unavailable) || !this.#ready.isOpen) throw failure;
    }
    if (!this.#isRegistered && !this.#isStopping) {
      this.#isRegistered = true;
      registration.keep();
    }
  }

  /** @param {Link} link @param {Lost} lost */
  #lost(link, lost) {
    this.publisher.detach();
    if (this.link !== link || this.#isStopping) return;
    this.log.warn("connection.lost code=%d reason='%s' unsent=%d", lost.code, lost.reason, lost.unsent);
    if (lost.error !== null) this.log.error("events.missed code=%s missed=%s", lost.error.code, lost.error.missed ?? "unknown");
    this.#registration?.unheard();
    this.#tell({ is: "lost" });
  }

  async #start() {
    for (const handle of this.declaration.startHandlers) {
      await handle();
      if (this.#cause !== null) return;
    }
    for (const handler of this.handlers) handler.start();
    this.#tell({ is: "started" });
  }

  #sayReady() {
    this.say("module.ready", {});
    if (this.link !== null) this.publisher.attach(this.link.connection);
    if (this.session.losses > 0) this.log.info("connection.restored losses=%d", this.session.losses);
    this.#ready.open();
  }

  // -- what comes in -----------------------------------------------------------------------

  /** @param {EventFrame} event */
  #shutdown(event) {
    const meant = ordersOf(event.data, this.name, this.number);
    if (meant === null) return;
    const estimates = this.declaration.stopHandlers.map((handler) => handler.estimatedCleanup);
    const hasBacklog = this.handlers.some((handler) => handler.isBusy);
    this.say("module.shutdown.ack", { estimated_cleanup: estimate(estimates, { hasBacklog, timeout: meant.timeout }) });
    if (this.#orders === null) {
      this.#orders = meant;
      this.log.info("module.stopping reason=%s", meant.reason);
    }
    this.stop("shutdown");
  }

  /** @param {ErrorFrame} error */
  #refused(error) {
    if (this.questions.refused(error)) return;
    this.log.error("event.refused code=%s event_id=%s: %s", error.code, error.event_id ?? "", error.message ?? "");
    for (const answers of this.answers.values()) if (answers.refused(error)) return;
  }

  /** @param {Gap} gap */
  #missed({ durable, stream, first, last, missed }) {
    this.log.error("events.missed durable=%s stream=%s first=%d last=%d missed=%d", durable, stream, first, last, missed);
  }

  /** @param {string} reason */
  #notResumed(reason) {
    this.log.warn("events.missed reason=%s missed=unknown", reason);
    for (const handle of this.declaration.missedHandlers) void this.spawn(() => this.#catchUp(handle));
  }

  /** @param {LifeHandler} handle */
  async #catchUp(handle) {
    try {
      await handle();
    } catch (failure) {
      this.log.error("handler.failed onMissed", asError(failure));
    }
  }

  /**
   * Publish about this life, ahead of everything that waits; lost with the connection.
   * @param {string} subject
   * @param {Record<string, unknown>} data
   */
  say(subject, data) {
    const connection = this.link?.connection;
    if (!connection?.isOpen) return;
    const about = { module_id: this.name, life: this.number, ...data };
    connection.send(this.envelopes.write(subject, about, Date.now()).frame);
  }

  // -- leaving -----------------------------------------------------------------------------

  /** End the module's own work; it is told by the signal. */
  endTasks() {
    this.#ending.abort();
  }

  /** @param {number} status @param {KiteError | null} error */
  async #leave(status, error) {
    if (error !== null) this.log.error("%s", error.toString());
    this.#registration?.end();
    this.#departure = new Departure(this, {
      cause: this.#cause ?? "own",
      orders: this.#orders,
      cleansUp: this.#hasBegunToStart,
      isInAHurry: this.#isInAHurry,
    });
    this.#finish(await this.#departure.leave(status));
  }

  /** @param {Listener} listener */
  #handler(listener) {
    const subscription = subscriptionOf(listener, this.name);
    const isNewest = subscription.overflow === "drop_oldest";
    const answers = listener.isRequest ? new Answers(listener.handle, this.envelopes, this.publisher, this.log) : null;
    const receive = answers ? answers.receive.bind(answers) : receiverOf(listener);
    const handler = new Handler(subscription, isNewest ? tellingGaps(subscription.pattern, receive, listener.onGap, this.log) : receive, {
      concurrency: listener.concurrency,
      log: this.log,
      ...(answers && { refuse: answers.drop.bind(answers) }),
      maxBacklog: isNewest ? NEWEST_BACKLOG : MAX_BACKLOG,
    });
    const { durable } = subscription;
    if (durable !== null) {
      handler.done = (event, outcome) => {
        const settlement = settlementOf(durable, event, outcome);
        if (settlement !== null) this.link?.settle(handler, settlement);
      };
    }
    if (answers) this.answers.set(handler, answers);
    return handler;
  }
}
