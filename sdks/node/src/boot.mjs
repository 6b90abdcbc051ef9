// Standard input of a module: the boot line first, then the lifeline.
//
// The Launcher writes one line and keeps the pipe open; its end means that the module is to go.
import { ConfigError } from "./errors.mjs";
import { decodeBootLine } from "./wire/boot.mjs";

/** @import { BootLine } from "./wire/boot.mjs" */

const MAX_BOOT_LINE = 1 << 20;
const LINE_FEED = 10;

/** Reads the boot line, then watches for the end of standard input. */
export class Lifeline {
  #onEnd;
  #input;
  /** @type {Buffer[]} */
  #parts = [];
  #size = 0;
  #isDecided = false;
  #isRight = false;
  /** @type {(boot: BootLine) => void} */
  #resolve = () => {};
  /** @type {(wrong: ConfigError) => void} */
  #reject = () => {};
  /** @param {Buffer} chunk */
  #read = (chunk) => this.#take(chunk);
  #end = () => this.#ended();

  /**
   * @param {() => void} onEnd - called once, when the lifeline ends after the boot line
   * @param {import("node:stream").Readable} [input]
   */
  constructor(onEnd, input = process.stdin) {
    this.#onEnd = onEnd;
    this.#input = input;
  }

  /**
   * The boot line; waits until it has been written. Throws ConfigError `no_boot_line`.
   * @returns {Promise<BootLine>}
   */
  bootLine() {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#input.on("data", this.#read);
      for (const name of ["end", "error", "close"]) this.#input.on(name, this.#end);
    });
  }

  /** Watch no more. */
  close() {
    this.#input.off("data", this.#read);
    this.#input.off("end", this.#end).off("close", this.#end);
    this.#input.pause();
  }

  /** @param {Buffer} chunk */
  #take(chunk) {
    if (this.#isDecided) return; // further lines are for nobody yet
    const end = chunk.indexOf(LINE_FEED);
    this.#parts.push(end < 0 ? chunk : chunk.subarray(0, end));
    this.#size += chunk.length;
    if (end >= 0 || this.#size > MAX_BOOT_LINE) this.#decide();
  }

  #decide() {
    const line = Buffer.concat(this.#parts).toString("utf8");
    this.#parts = [];
    this.#isDecided = true;
    const boot = decodeBootLine(line);
    // Never the line itself: a token may be in it.
    const detail = line === "" ? "it is empty" : 'expected {"token": "<64 hex>", "life": n}';
    if (boot === null) this.#reject(new ConfigError("no_boot_line", { detail }));
    else {
      this.#isRight = true;
      this.#resolve(boot);
    }
  }

  #ended() {
    if (!this.#isDecided) this.#decide();
    this.close();
    if (!this.#isRight) return;
    this.#isRight = false;
    this.#onEnd();
  }
}
