// A module as a process of its own: standard input, signals, the exit status.
import { Lifeline } from "./boot.mjs";
import { DEFAULT_TIMEOUT } from "./core/farewell.mjs";
import { ConfigError } from "./errors.mjs";
import { asError } from "./handlers.mjs";
import { milliseconds } from "./limit.mjs";

/** @import { Life } from "./life.mjs" */
/** @import { Module } from "./module.mjs" */

/** Seconds: nothing of ours takes longer than this to leave. */
const STUCK_AFTER = DEFAULT_TIMEOUT + 5;

/**
 * Run the module until it is to go, and end the process with the exit status.
 * @param {Module} module
 * @returns {Promise<never>}
 */
export async function run(module) {
  let status;
  try {
    status = await live(module);
  } catch (wrong) {
    if (!(wrong instanceof ConfigError)) throw wrong;
    process.stderr.write(`${wrong}\n`); // there is no log without settings
    status = wrong.exit;
  }
  process.exit(status);
}

/**
 * Live one life as standard input tells; returns the exit status.
 * @param {Module} module
 * @param {(life: Life) => void} [onBegun]
 */
export async function serve(module, onBegun) {
  const { settings } = module;
  /** @type {Life | null} */
  let life = null;
  const lifeline = new Lifeline(() => life?.stop("lifeline"));
  try {
    life = module.begin(settings, await lifeline.bootLine());
    onBegun?.(life);
    return await life.run();
  } finally {
    lifeline.close();
  }
}

/** @param {Module} module */
async function live(module) {
  /** @type {Life | null} */
  let life = null;
  const asked = () => {
    if (life === null) process.exit(0); // without its boot line there is nothing to clean up
    setTimeout(() => process.exit(1), milliseconds(STUCK_AFTER)).unref();
    life.stop("signal");
  };
  // Work that nobody waits for has failed: the module ends with its stack, as with `spawn`.
  const failed = (/** @type {unknown} */ failure) => {
    if (life === null || life.isOver) {
      process.stderr.write(`${asError(failure).stack}\n`);
      process.exit(1);
    }
    life.fail("task.failed", failure);
  };
  process.on("uncaughtException", failed);
  process.on("unhandledRejection", failed);
  process.on("SIGTERM", asked);
  // A terminal's Ctrl-C is the Launcher's.
  process.on("SIGINT", () => {});
  return serve(module, (begun) => (life = begun));
}
