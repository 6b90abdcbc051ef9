#!/usr/bin/env node
// `kite` of the npm package: runs an installed Kite, or puts one into a private Python environment after
// saying so, or prints the one command to type.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { advice } from "../src/core/compatibility.mjs";
import { commandOf, findKite, findPython, onPath } from "../src/installed-kite.mjs";
import { interpreterOf, makePrivate, placeOf } from "../src/private-python.mjs";

/** @import { Command } from "../src/installed-kite.mjs" */

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const carried = fileURLToPath(new URL(`../python/kite_runtime-${version}.tar.gz`, import.meta.url));
const source = process.env.KITE_PYTHON_PACKAGE || (existsSync(carried) ? carried : `kite-runtime==${version}`);
const tell = (/** @type {string} */ line) => void process.stderr.write(`kite: ${line}\n`);

/** @param {import("../src/core/compatibility.mjs").Obstacle} obstacle @returns {never} */
function giveUp(obstacle) {
  const { reason, command } = advice(obstacle, {
    package: source,
    hasApt: onPath("apt-get").length > 0,
    hasPipx: onPath("pipx").length > 0,
  });
  tell(`${reason}; type: ${command}`);
  process.exit(2);
}

/** @returns {Promise<Command>} */
async function find() {
  const place = placeOf(version);
  const found = await findKite(version, [interpreterOf(place)], tell);
  if (found !== null) return found;
  const python = await findPython();
  if (python === null) giveUp("no_python");
  tell(`no Kite ${version} is installed; putting ${source} into a private Python environment, ${place}`);
  const obstacle = await makePrivate(python, place, source).catch((failure) => {
    tell(`${failure.message}`); // a directory that cannot be
    process.exit(2);
  });
  if (obstacle !== null) giveUp(obstacle);
  return commandOf(interpreterOf(place));
}

/** Run it in this program's place. @param {Command} command */
function become({ program, words }) {
  const child = spawn(program, [...words, ...process.argv.slice(2)], { stdio: "inherit" });
  const pass = (/** @type {NodeJS.Signals} */ signal) => void child.kill(signal);
  process.on("SIGTERM", pass).on("SIGHUP", pass);
  // A terminal tells both; a second Ctrl-C would mean more than the first.
  process.on("SIGINT", (signal) => process.stdin.isTTY || pass(signal));
  child.on("error", (failure) => {
    tell(`${program} cannot be run: ${failure.message}`);
    process.exit(1);
  });
  child.on("exit", (status, signal) => {
    process.removeAllListeners();
    if (signal) process.kill(process.pid, signal);
    else process.exit(status ?? 1);
  });
}

become(await find());
