// What is published, on its way out: straight to the connection, or into the outbox.
import { Outbox } from "./core/outbox.mjs";
import { Gate } from "./gate.mjs";

/**
 * What a publisher needs of a connection.
 * @typedef {{ readonly isWritable: boolean, readonly isOpen: boolean, send: (frame: string) => void,
 *   drained: () => Promise<void> }} Outlet
 */

/**
 * Sends frames in the order in which they were published. While there is no connection, or while the
 * Hub takes nothing, they wait in the outbox.
 */
export class Publisher {
  /** @type {Outlet | null} */
  #outlet = null;
  #attached = new Gate(false);
  #empty = new Gate(true);
  #isPumping = false;

  /** @param {Outbox} [outbox] */
  constructor(outbox = new Outbox()) {
    this.outbox = outbox;
  }

  /**
   * Let what waits go out over this connection, and what comes.
   * @param {Outlet} outlet
   */
  attach(outlet) {
    if (this.#outlet === outlet) return;
    this.#outlet = outlet;
    this.#attached.open();
    this.#flush();
  }

  /** The connection is gone: keep what comes. */
  detach() {
    this.#outlet = null;
    this.#attached.close();
  }

  /**
   * Send a frame, or keep it; throws Unavailable `publish_queue_full`.
   * @param {string} frame
   */
  send(frame) {
    const outlet = this.#outlet;
    if (outlet !== null && this.outbox.length === 0 && outlet.isWritable) {
      outlet.send(frame);
      return;
    }
    this.outbox.put(frame);
    this.#empty.close();
    this.#flush();
  }

  /** Wait until there is a connection and everything older is on its way. */
  async attached() {
    while (this.#outlet === null || !this.#outlet.isOpen || this.outbox.length > 0) {
      await (this.#outlet === null ? this.#attached : this.#empty).passed();
      if (this.#outlet !== null && !this.#outlet.isOpen) this.detach();
    }
  }

  /** Wait until the outbox is empty and the connection takes more. */
  async drained() {
    for (;;) {
      await this.#empty.passed();
      if (this.#outlet === null) {
        await this.#attached.passed();
        continue;
      }
      await this.#outlet.drained();
      if (this.outbox.length === 0) return;
    }
  }

  #flush() {
    const outlet = this.#outlet;
    if (outlet === null) return;
    for (let frame = this.outbox.next; frame !== undefined && outlet.isWritable; frame = this.outbox.next) {
      outlet.send(frame);
      this.outbox.taken();
    }
    if (this.outbox.length === 0) this.#empty.open();
    else if (outlet.isOpen && !this.#isPumping) this.#pump(outlet);
  }

  /** @param {Outlet} outlet */
  async #pump(outlet) {
    this.#isPumping = true;
    await outlet.drained();
    this.#isPumping = false;
    this.#flush();
  }
}
