// Which Kite this package may run, and what to type where it can run none.

/**
 * Whether a Kite of one version does what this package's documentation says: before 1.0 the second
 * number has to be the same, from then on the first.
 * @param {string} found
 * @param {string} mine
 */
export function isCompatible(found, mine) {
  const [theirs, ours] = [found, mine].map((version) => version.split("."));
  return theirs[0] === ours[0] && (ours[0] !== "0" || theirs[1] === ours[1]);
}

/**
 * The version in what `kite --version` prints, or null.
 * @param {string} output
 */
export const versionIn = (output) => /\b(\d+\.\d+\.\d+\S*)/.exec(output)?.[1] ?? null;

/** @typedef {"no_python" | "no_venv" | "no_package"} Obstacle */

/** @type {Record<Obstacle, string>} */
const REASONS = {
  no_python: "Python 3.11 or newer was not found",
  no_venv: "this Python cannot make an environment of its own (its venv module is not whole)",
  no_package: "the package could not be installed",
};

/**
 * Why there is no Kite, and the one command to type.
 * @param {Obstacle} obstacle
 * @param {{ package: string, hasApt: boolean, hasPipx: boolean }} here
 */
export function advice(obstacle, here) {
  const byHand = here.hasPipx ? `pipx install ${here.package}` : `uv tool install --python 3.12 ${here.package}`;
  const needsDebian = obstacle !== "no_package" && here.hasApt;
  const command = needsDebian ? "sudo apt-get install python3 python3-venv" : byHand;
  return { reason: REASONS[obstacle], command };
}
