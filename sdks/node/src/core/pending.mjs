// Requests that wait for an answer, and answers that come too late.

/**
 * Who waits for which answer, by the id of the request. An answer is taken once: a second one to the
 * same request, or one after the request has been given up, is nobody's and is counted.
 * @template Waiter
 */
export class Pending {
  /** @type {Map<string, Waiter>} */
  #waiters = new Map();
  /** Answers that nobody waited for any more. */
  late = 0;

  get size() {
    return this.#waiters.size;
  }

  /**
   * Somebody waits from now on.
   * @param {string} id
   * @param {Waiter} waiter
   */
  add(id, waiter) {
    this.#waiters.set(id, waiter);
  }

  /**
   * Who waits for this answer; undefined, and counted, when nobody does.
   * @param {string} id
   */
  answered(id) {
    const waiter = this.refused(id);
    if (waiter === undefined) this.late += 1;
    return waiter;
  }

  /**
   * Whose request the Hub has refused; undefined when the event was no request.
   * @param {string} id
   */
  refused(id) {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    return waiter;
  }

  /**
   * Nobody waits any more.
   * @param {string} id
   */
  giveUp(id) {
    this.#waiters.delete(id);
  }
}
