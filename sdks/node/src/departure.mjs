// How a module leaves in good order: finish what has come, clean up, say so, go.
import { LATE, patienceFor, timeToFinish } from "./core/farewell.mjs";
import { KiteError } from "./errors.mjs";
import { asError } from "./handlers.mjs";
import { Limit, isDoneWithin } from "./limit.mjs";

/** @import { Cause, Orders } from "./core/farewell.mjs" */
/** @import { Life } from "./life.mjs" */

const LAST_WORDS = 1;

/**
 * The end of a life, within the time that it may take.
 *
 * In this order: no new events; what has been received is finished; the module's own work is told to
 * end; its stop handlers run, the last declared first; what was published goes out;
 * `module.shutdown.ready`; the connection is closed.
 */
export class Departure {
  #life;
  #cause;
  #patience;
  #cleansUp;
  #hasFailed = false;
  /** @type {Limit | null} */
  #limit = null;

  /**
   * @param {Life} life
   * @param {{ cause: Cause, orders: Orders | null, cleansUp: boolean, isInAHurry: boolean }} how
   *   cleansUp: whether the stop handlers run (the start handlers have begun); isInAHurry: a signal has
   *   followed what was asked
   */
  constructor(life, { cause, orders, cleansUp, isInAHurry }) {
    this.#life = life;
    this.#cause = cause;
    const allowed = patienceFor(cause, orders);
    this.#patience = isInAHurry ? Math.min(allowed, LATE) : allowed;
    this.#cleansUp = cleansUp;
  }

  /** A signal has come, or the lifeline has ended, while the module is leaving. @param {Cause} cause */
  hurry(cause) {
    if (cause === "signal" || cause === "lifeline") this.#limit?.shorten(LATE);
  }

  /**
   * Leave; returns the exit status, 1 where the cleanup failed or was not done in time.
   * @param {number} status
   */
  async leave(status) {
    const life = this.#life;
    const limit = (this.#limit = new Limit(this.#patience));
    if (!(await limit.holds(this.#cleanUp(limit)))) {
      life.log.error("cleanup.timed_out after=%s", this.#patience.toFixed(1));
      this.#hasFailed = true;
    }
    limit.clear();
    this.#limit = null; // from here on a signal changes nothing
    this.#cancelHandlers();
    await this.#endTasks();
    await this.#sayGoodbye();
    return status || Number(this.#hasFailed);
  }

  /** @param {Limit} limit */
  async #cleanUp(limit) {
    await this.#finishReceived();
    await this.#endTasks();
    const handlers = this.#cleansUp ? this.#life.declaration.stopHandlers.toReversed() : [];
    for (const { handle } of handlers) {
      if (limit.isOver) return;
      try {
        await handle();
      } catch (failure) {
        this.#life.log.error("stop_handler.failed", asError(failure));
        this.#hasFailed = true;
      }
    }
  }

  async #finishReceived() {
    if (!this.#cleansUp) return;
    const life = this.#life;
    const within = timeToFinish(this.#patience, life.declaration.stopHandlers.map((handler) => handler.estimatedCleanup));
    const finishing = async () => {
      await this.#unsubscribe();
      for (const handler of life.handlers) if (handler.isStarted) await handler.idle();
    };
    if (!(await isDoneWithin(within, finishing()))) life.log.warn("handlers.cancelled after=%s", within.toFixed(1));
    this.#cancelHandlers();
  }

  async #unsubscribe() {
    const { link, log } = this.#life;
    if (!link?.connection?.isOpen) return;
    try {
      await link.unsubscribe(LAST_WORDS);
    } catch (failure) {
      if (!(failure instanceof KiteError)) throw failure;
      log.debug("unsubscribe.failed code=%s", failure.code);
    }
  }

  async #endTasks() {
    const { tasks } = this.#life;
    this.#life.endTasks();
    if (tasks.size > 0) await isDoneWithin(LAST_WORDS, Promise.allSettled([...tasks]));
  }

  /** Nothing can end a function that runs. But nobody waits for its answer in vain. */
  #cancelHandlers() {
    for (const handler of this.#life.handlers) {
      const answers = this.#life.answers.get(handler);
      for (const event of handler.cancel()) answers?.decline(event);
      answers?.declineOpen();
    }
  }

  async #sayGoodbye() {
    const { link, log, publisher } = this.#life;
    if (link === null) return;
    const going = async () => {
      if (link.connection?.isOpen) await publisher.drained();
      if (this.#cause === "shutdown") this.#life.say("module.shutdown.ready", {});
      await link.close();
    };
    if (!(await isDoneWithin(LAST_WORDS, going()))) link.abort();
    if (publisher.outbox.length > 0) log.error("events.lost count=%d", publisher.outbox.length);
  }
}
