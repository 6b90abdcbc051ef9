// A private Python environment that holds Kite and nothing else.
import { randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** @import { Obstacle } from "./core/compatibility.mjs" */

/** @type {NodeJS.Signals[]} */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Where it is, for a version: a link to the folder that holds it.
 * @param {string} version
 */
export function placeOf(version) {
  const data = process.env.XDG_DATA_HOME || join(homedir(), ".local", "share");
  return join(data, "kite", "python", version);
}

/** Its interpreter. @param {string} place */
export const interpreterOf = (place) => join(place, "bin", "python");

/**
 * Make it. What it is made in has a name of its own and is linked to when it is whole: who looks, or
 * makes one at the same time, never sees half of it.
 * @param {string} python - that makes it
 * @param {string} place
 * @param {string} source - what pip is to install
 * @returns {Promise<Obstacle | null>} what stood in the way
 */
export async function makePrivate(python, place, source) {
  mkdirSync(dirname(place), { recursive: true });
  const folder = `${place}-${randomBytes(4).toString("hex")}`;
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const leave = () => process.exit(1);
  process.once("exit", remove);
  for (const signal of SIGNALS) process.once(signal, leave);
  if (!(await succeeds(python, ["-m", "venv", folder]))) return "no_venv";
  const words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", source];
  if (!(await succeeds(interpreterOf(folder), words))) return "no_package";
  try {
    if (!existsSync(interpreterOf(place))) rmSync(place, { force: true }); // a link to what is gone
    symlinkSync(folder, place);
    process.off("exit", remove);
  } catch (failure) {
    if (!existsSync(interpreterOf(place))) throw failure; // else somebody was faster
  } finally {
    for (const signal of SIGNALS) process.off(signal, leave);
  }
  return null;
}

/** What they print is for whoever waits. @param {string} program @param {string[]} words @returns {Promise<boolean>} */
function succeeds(program, words) {
  return new Promise((resolve) => {
    const child = spawn(program, words, { stdio: ["ignore", 2, 2] });
    child.on("error", () => resolve(false));
    child.on("exit", (status) => resolve(status === 0));
  });
}
