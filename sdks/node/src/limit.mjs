// A bound of time for something that is being done.

/** Milliseconds: what a timer can hold. */
const LONGEST = 2 ** 31 - 1;

/** @param {number} seconds */
export const milliseconds = (seconds) => Math.min(Math.max(seconds * 1000, 0), LONGEST);

/** Monotonic seconds. */
export const monotonic = () => performance.now() / 1000;

/** @param {number} seconds @returns {Promise<void>} */
export const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, milliseconds(seconds)));

/** Time that may be spent. */
export class Limit {
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #at = Infinity;
  /** @type {() => void} */
  #expire = () => {};
  isOver = false;

  /** @param {number} seconds */
  constructor(seconds) {
    /** Fulfilled with false at its end. @type {Promise<false>} */
    this.expired = new Promise((resolve) => {
      this.#expire = () => {
        this.isOver = true;
        resolve(false);
      };
    });
    this.shorten(seconds);
  }

  /**
   * From now on so many seconds at most.
   * @param {number} seconds
   */
  shorten(seconds) {
    const at = monotonic() + seconds;
    if (at >= this.#at || this.isOver) return;
    clearTimeout(this.#timer);
    this.#at = at;
    this.#timer = setTimeout(this.#expire, milliseconds(seconds));
  }

  /**
   * Whether the work is done within the limit; what it fails with is thrown.
   * @param {Promise<unknown>} work
   * @returns {Promise<boolean>}
   */
  async holds(work) {
    return Promise.race([work.then(() => true), this.expired]);
  }

  /** It is of no use any more. */
  clear() {
    clearTimeout(this.#timer);
  }
}

/**
 * Whether the work is done within so many seconds; what it fails with is thrown.
 * @param {number} seconds
 * @param {Promise<unknown>} work
 */
export async function isDoneWithin(seconds, work) {
  const limit = new Limit(seconds);
  try {
    return await limit.holds(work);
  } finally {
    limit.clear();
  }
}
