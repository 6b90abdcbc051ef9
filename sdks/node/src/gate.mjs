// A gate: who comes waits while it is closed.

export class Gate {
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {boolean} isOpen */
  constructor(isOpen) {
    this.isOpen = isOpen;
  }

  open() {
    this.isOpen = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const pass of waiting) pass();
  }

  close() {
    this.isOpen = false;
  }

  /** Wait until it is open. @returns {Promise<void>} */
  passed() {
    return this.isOpen ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }
}
