// How long a handler may go on before the loop has another turn.
//
// What is handled in microtasks alone would keep the loop from everything else, the answers to the
// Hub's pings too.

/** So many events are handled between two looks at the clock. */
export const LOOK_EVERY = 16;
/** Seconds. */
const AT_ONCE = 0.02;

/** Of one who handles what waits, in monotonic seconds. */
export class Patience {
  #began;
  #unlooked = 0;

  /** @param {number} now */
  constructor(now) {
    this.#began = now;
  }

  /**
   * Another turn begins.
   * @param {number} now
   */
  begins(now) {
    this.#began = now;
    this.#unlooked = 0;
  }

  /** Whether it is time for a look at the clock, after another event. */
  get looks() {
    this.#unlooked += 1;
    return this.#unlooked % LOOK_EVERY === 0;
  }

  /**
   * Whether this turn has lasted long enough.
   * @param {number} now
   */
  isOver(now) {
    return now - this.#began > AT_ONCE;
  }
}
