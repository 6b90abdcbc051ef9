// A module's entry in the Registry: what it says, and that it stays there.
import { Lease } from "./core/lease.mjs";
import { finalStatus } from "./core/session.mjs";
import { KiteError } from "./errors.mjs";
import { milliseconds, monotonic } from "./limit.mjs";

/**
 * What keeps entries.
 * @typedef {object} Registrar
 * @property {(moduleId: string, life: number, record: Record<string, unknown>) => Promise<number>} register
 * @property {(moduleId: string, life: number) => Promise<number>} heartbeat
 */

/** Registers and renews; registers again where the Registry has forgotten. */
export class Registration {
  #registrar;
  #module;
  #life;
  #record;
  #onFinal;
  #lease = new Lease(monotonic());
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #isKept = false;
  #isStepping = false;

  /**
   * @param {Registrar} registrar
   * @param {string} module
   * @param {number} life
   * @param {() => Record<string, unknown>} record - what is registered; asked for at each registration
   * @param {(error: KiteError) => void} onFinal - called when the Registry refuses for good
   */
  constructor(registrar, module, life, record, onFinal) {
    this.#registrar = registrar;
    this.#module = module;
    this.#life = life;
    this.#record = record;
    this.#onFinal = onFinal;
  }

  /** Register now; throws as the Registry refuses, and the next try is planned already. */
  async register() {
    this.#lease.renewAtOnce(monotonic());
    try {
      await this.#step();
    } finally {
      this.#plan();
    }
  }

  /** Register again soon: what is registered has changed. */
  refresh() {
    this.#lease.renewAtOnce(monotonic());
    this.#plan();
  }

  /** The Hub does not hear the module any more: the Registry is told soon that it lives. */
  unheard() {
    this.#lease.unheard(monotonic());
    this.#plan();
  }

  /** Renew from now on, until the Registry refuses for good or `end`. */
  keep() {
    this.#isKept = true;
    this.#plan();
  }

  /** Renew no more. */
  end() {
    this.#isKept = false;
    clearTimeout(this.#timer);
  }

  #plan() {
    clearTimeout(this.#timer);
    if (!this.#isKept || this.#isStepping) return; // who steps plans afterwards
    this.#timer = setTimeout(() => void this.#due(), milliseconds(this.#lease.due - monotonic()));
  }

  async #due() {
    if (!this.#isKept) return;
    if (this.#lease.due > monotonic()) return this.#plan(); // a timer may be early
    try {
      await this.#step();
    } catch (failure) {
      if (!(failure instanceof KiteError)) throw failure;
      if (finalStatus(failure) !== null && this.#isKept) {
        this.end();
        this.#onFinal(failure);
        return;
      }
    }
    this.#plan();
  }

  async #step() {
    const lease = this.#lease;
    const { step, due } = lease;
    this.#isStepping = true;
    try {
      const ttl =
        step === "register"
          ? await this.#registrar.register(this.#module, this.#life, this.#record())
          : await this.#registrar.heartbeat(this.#module, this.#life);
      const hasChanged = lease.step !== step || lease.due !== due;
      lease.granted(ttl, monotonic());
      if (hasChanged) lease.renewAtOnce(monotonic()); // while it was on its way
    } catch (failure) {
      if (failure instanceof KiteError) lease.failed(failure, monotonic(), Math.random());
      throw failure;
    } finally {
      this.#isStepping = false;
    }
  }
}
