// Looks for a Kite that is installed: `kite` on the PATH, a Python that has it, or the private one.
import { execFile } from "node:child_process";
import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { isCompatible, versionIn } from "./core/compatibility.mjs";

/** A program and the words that stand before what is typed. @typedef {{ program: string, words: string[] }} Command */
/** @typedef {{ command: Command, version: string }} Found */

/** Seconds for a program to say its version. */
const PATIENCE = 30;
const MODULE = ["-m", "kite.cli.entry"];
const PYTHONS = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"];
const IS_RECENT = "import sys; sys.exit(sys.version_info < (3, 11))";

/**
 * What a program prints on standard output; null where it cannot be run or fails.
 * @param {string} program
 * @param {string[]} words
 * @param {number} [patience] - seconds
 * @returns {Promise<string | null>}
 */
export function outputOf(program, words, patience = PATIENCE) {
  return new Promise((resolve) => {
    try {
      execFile(program, words, { timeout: patience * 1000 }, (failure, stdout) => resolve(failure ? null : stdout));
    } catch {
      resolve(null); // some failures are told here, and not to the callback
    }
  });
}

/**
 * All programs of a name on the PATH, in its order.
 * @param {string} name
 * @returns {string[]}
 */
export function onPath(name) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return [...new Set(folders.map((folder) => join(folder, name)))].filter((path) => {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  });
}

/** The command of a Python that has Kite. @param {string} python @returns {Command} */
export const commandOf = (python) => ({ program: python, words: MODULE });

/**
 * A Python 3.11 or newer, or null.
 * @returns {Promise<string | null>}
 */
export async function findPython() {
  for (const path of PYTHONS.flatMap(onPath)) if ((await outputOf(path, ["-c", IS_RECENT])) !== null) return path;
  return null;
}

/**
 * The first Kite that fits; what was found and does not is told.
 * @param {string} mine - the version of this package
 * @param {string[]} pythons - that may have it, beside those on the PATH
 * @param {(line: string) => void} tell
 * @returns {Promise<Command | null>}
 */
export async function findKite(mine, pythons, tell) {
  const programs = onPath("kite").filter((path) => !isNode(path));
  const candidates = [...programs.map((program) => ({ program, words: /** @type {string[]} */ ([]) })), ...[...onPath("python3"), ...pythons].map(commandOf)];
  for (const command of candidates) {
    const output = await outputOf(command.program, [...command.words, "--version"]);
    const version = output === null ? null : versionIn(output);
    if (version === null) continue;
    if (isCompatible(version, mine)) return command;
    tell(`${command.program} is Kite ${version}, and this package goes with ${mine}: it is left alone`);
  }
  return null;
}

/** Whether a program is a script for Node, like the one that is running. @param {string} path */
function isNode(path) {
  if (realpathSync(path).endsWith(".mjs")) return true;
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(128);
    readSync(file, head);
    return /^#!.*\bnode\b/.test(head.toString("latin1").split("\n", 1)[0]);
  } finally {
    closeSync(file);
  }
}
