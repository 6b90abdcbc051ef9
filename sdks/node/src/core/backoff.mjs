// How long to wait before the next try: short at first, then longer, never in step with others.

/** Seconds before the first retry: most losses are a restart of the Hub whose socket still listens. */
const FIRST = 0.02;
/** Seconds between tries at most, so that everybody is back within about a second. */
const CAP = 1.0;
const FACTOR = 2.0;
/** Seconds a session must have lasted before the next loss counts as a first one again. */
const STEADY = 5.0;

/** Delays that double from `first` to `cap` seconds, each taken from its upper half at random. */
export class Backoff {
  #first;
  #cap;
  #failures = 0;

  /** @param {{ first?: number, cap?: number }} [options] */
  constructor({ first = FIRST, cap = CAP } = {}) {
    this.#first = first;
    this.#cap = cap;
  }

  /**
   * The seconds to wait now.
   * @param {number} jitter - a random number in [0, 1)
   */
  next(jitter) {
    const full = Math.min(this.#cap, this.#first * FACTOR ** Math.min(this.#failures, 64));
    this.#failures += 1;
    return full * (0.5 + 0.5 * jitter);
  }

  /**
   * What was being tried worked for so long.
   * @param {number} seconds
   */
  lasted(seconds) {
    if (seconds >= STEADY) this.#failures = 0;
  }
}
