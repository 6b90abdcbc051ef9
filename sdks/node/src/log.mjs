// A module's log: readable lines on standard error, which the Launcher keeps and stamps.
//
//     info     indexed 12 documents
//     warning  connection.lost code=1006 reason='' unsent=0
//
// The level comes from the environment variable `LOG_LEVEL` (`debug`, `info`, `warning`, `error`;
// default `info`), which the manifest may set under `env:`.
import { format } from "node:util";

const LEVELS = ["debug", "info", "warning", "error", "critical"];

/** Writes one line a message; an Error among the arguments is written with its stack behind it. */
export class Log {
  #threshold;
  #write;

  /**
   * @param {string | undefined} level
   * @param {(text: string) => void} [write]
   */
  constructor(level, write = (text) => void process.stderr.write(text)) {
    const wanted = (level || "info").toLowerCase();
    this.#write = write;
    this.#threshold = LEVELS.includes(wanted) ? LEVELS.indexOf(wanted) : LEVELS.indexOf("info");
    if (!LEVELS.includes(wanted)) this.warn("log.level_unknown value=%j expected=%s", level, LEVELS.join("|"));
  }

  /** @param {unknown} message @param {...unknown} more */
  debug(message, ...more) {
    this.#say(0, message, more);
  }

  /** @param {unknown} message @param {...unknown} more */
  info(message, ...more) {
    this.#say(1, message, more);
  }

  /** @param {unknown} message @param {...unknown} more */
  warn(message, ...more) {
    this.#say(2, message, more);
  }

  /** @param {unknown} message @param {...unknown} more */
  error(message, ...more) {
    this.#say(3, message, more);
  }

  /** @param {number} level @param {unknown} message @param {unknown[]} more */
  #say(level, message, more) {
    if (level < this.#threshold) return;
    const failures = [message, ...more].filter((each) => each instanceof Error);
    const words = more.filter((each) => !(each instanceof Error)).map(plain);
    const text = format(message instanceof Error ? message.message : plain(message), ...words);
    const line = text.replaceAll("\r", "\\r").replaceAll("\n", "\\n");
    const stacks = failures.map((failure) => `${traceback(failure)}\n`);
    this.#write(`${LEVELS[level].padEnd(8)} ${line}\n${stacks.join("")}`);
  }
}

/** What has words of its own says them, instead of being looked into. @param {unknown} value */
function plain(value) {
  if (value === null || typeof value !== "object" || value.toString === Object.prototype.toString || Array.isArray(value)) return value;
  return String(value);
}

/** @param {Error} failure @returns {string} */
function traceback(failure) {
  const own = failure.stack ?? String(failure);
  return failure.cause instanceof Error ? `${own}\n  caused by: ${traceback(failure.cause)}` : own;
}
