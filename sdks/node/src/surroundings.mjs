// Where a module finds itself: what the Launcher has told its process.
import { Log } from "./log.mjs";
import { readSettings } from "./settings.mjs";

/** @import { ModuleSettings } from "./settings.mjs" */

/** The name, the directories, the port and the log of a `Module`. */
export class Surroundings {
  /** @type {ModuleSettings | null} */
  #settings = null;
  /** @type {Log | null} */
  #log = null;

  /** What the Launcher has told this process; throws ConfigError `not_under_kite`. */
  get settings() {
    this.#settings ??= readSettings();
    return this.#settings;
  }

  /** The module's name. */
  get name() {
    return this.settings.module;
  }

  /** The module's own folder, where its `module.md` is. */
  get dir() {
    return this.settings.moduleDir;
  }

  /** The directory for what this module keeps; it exists and is the module's own. */
  get dataDir() {
    return this.settings.dataDir;
  }

  /** The project directory. */
  get projectDir() {
    return this.settings.projectDir;
  }

  /** The port to listen on (127.0.0.1), where the manifest has a `preferred_port`. */
  get port() {
    return this.settings.port;
  }

  /** The module's log: goes to standard error, from level `LOG_LEVEL` (default `info`). */
  get log() {
    this.#log ??= new Log(process.env.LOG_LEVEL);
    return this.#log;
  }

  /** Live in other surroundings than this process's: for tests. @param {ModuleSettings} settings @param {Log} [log] */
  settle(settings, log) {
    this.#settings = settings;
    if (log !== undefined) this.#log = log;
  }
}
