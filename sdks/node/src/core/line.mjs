// What waits in line. An array's own `shift` moves all that is left, once many wait.

const COMPACT_AT = 1024;

/**
 * First come, first served.
 * @template Item
 */
export class Line {
  /** @type {Item[]} */
  #items = [];
  #first = 0;

  get length() {
    return this.#items.length - this.#first;
  }

  /** What has waited longest; undefined where nothing waits. @returns {Item | undefined} */
  get first() {
    return this.#items[this.#first];
  }

  /** @param {Item} item */
  put(item) {
    this.#items.push(item);
  }

  /** To the head of the line. @param {Item} item */
  putFirst(item) {
    if (this.#first === 0) this.#items.unshift(item);
    else this.#items[(this.#first -= 1)] = item;
  }

  /** What has waited longest, and is not in line any more. @returns {Item | undefined} */
  take() {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#first];
    this.#first += 1;
    if (this.#first >= COMPACT_AT && this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** All that waits, which then does not any more. */
  takeAll() {
    const rest = this.#items.slice(this.#first);
    [this.#items, this.#first] = [[], 0];
    return rest;
  }
}
