// What the Launcher tells a module's process through its environment.
import { ConfigError } from "./errors.mjs";

/**
 * @typedef {object} ModuleSettings
 * @property {string} module - its name
 * @property {string} moduleDir - its folder
 * @property {string} dataDir - its own directory, existing
 * @property {number} registryPort
 * @property {string} instance
 * @property {string} instanceDir
 * @property {string} projectDir
 * @property {string} workspace
 * @property {number | null} port - where the manifest has `preferred_port`
 */

/**
 * Read them; throws ConfigError `not_under_kite` when the process was not started by a Launcher.
 * @param {Readonly<Record<string, string | undefined>>} [environment]
 * @returns {ModuleSettings}
 */
export function readSettings(environment = process.env) {
  /** @param {string} name */
  const said = (name) => {
    const value = environment[name];
    if (value === undefined) throw new ConfigError("not_under_kite", { name });
    return value;
  };
  /** @param {string} name @param {string} text */
  const port = (name, text) => {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 0 && number < 65536) return number;
    throw new ConfigError("bad_environment", { detail: `${name} is '${text}', which is no port` });
  };
  return {
    module: said("KITE_MODULE"),
    moduleDir: said("KITE_MODULE_DIR"),
    dataDir: said("KITE_MODULE_DATA"),
    registryPort: port("KITE_REGISTRY_PORT", said("KITE_REGISTRY_PORT")),
    instance: said("KITE_INSTANCE"),
    instanceDir: said("KITE_INSTANCE_DIR"),
    projectDir: said("KITE_CWD"),
    workspace: said("KITE_WORKSPACE"),
    port: environment.KITE_PORT ? port("KITE_PORT", environment.KITE_PORT) : null,
  };
}
