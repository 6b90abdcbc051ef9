// A throw-away Kite: a project and a workspace in a temporary directory, and what the operator sees of it.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { HubConnection } from "../src/connection.mjs";
import { PLAIN } from "../src/core/subscriptions.mjs";
import { callJson } from "../src/http-client.mjs";

/** Seconds that a fact may take before a test gives up: a bound, no expectation. */
export const PATIENCE = 60;
/** Seconds between two looks at something that tells nobody when it changes. */
const GRANULARITY = 0.05;

const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));
const KITE = process.env.KITE_TEST_PROGRAM ?? join(REPOSITORY, ".venv", "bin", "kite");
export const SDK = pathToFileURL(join(REPOSITORY, "sdks", "node", "src")).href;

export const hasKite = existsSync(KITE);
const MAJOR = Number(process.versions.node.split(".")[0]);
const hasWs = await import("ws").then(() => true, () => false);

/** The two WebSockets that there may be, and what Node has to be told so that it is that one. */
export const FORMS = [
  { name: "the package ws", options: MAJOR < 22 ? "" : "--no-experimental-websocket", skip: hasWs ? false : "the package ws is not installed: npm install, in sdks/node" },
  { name: "Node's own WebSocket", options: MAJOR < 22 ? "--experimental-websocket" : "", skip: false },
];

/** Wait until something holds; what it says then. */
export async function until(what, look, patience = PATIENCE) {
  const end = performance.now() + patience * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`${what}: not within ${patience} s`);
    await new Promise((resolve) => setTimeout(resolve, GRANULARITY * 1000));
  }
}

export class ThrowawayKite {
  /** @param {Record<string, { manifest: string, program: string }>} modules - by name @param {string} settings - kite.yaml */
  constructor(modules, settings = "") {
    this.top = mkdtempSync(join(tmpdir(), "kite-node-sdk-"));
    this.project = join(this.top, "project");
    this.write("kite.yaml", settings);
    for (const [name, { manifest, program }] of Object.entries(modules)) {
      this.write(`modules/${name}/module.md`, `---\nname: ${name}\nruntime: node\nentry: main.mjs\n${manifest}---\n`);
      this.write(`modules/${name}/main.mjs`, program);
    }
    const mine = Object.entries(process.env).filter(([name]) => !/^(KITE_|LISTEN_|NODE_)/.test(name));
    this.environment = {
      ...Object.fromEntries(mine),
      KITE_WORKSPACE: join(this.top, "workspace"),
      KITE_LANG: "en",
      // The very Node that runs the tests is what `runtime: node` finds.
      PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
    };
    this.instanceDir = join(this.top, "workspace", "project");
  }

  write(path, text) {
    const file = join(this.project, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** What `kite` says: its status and outputs. */
  kite(...words) {
    return new Promise((resolve) => {
      const options = { env: this.environment, timeout: 4 * PATIENCE * 1000, maxBuffer: 1 << 24 };
      execFile(KITE, ["-C", this.project, ...words], options, (failure, stdout, stderr) => resolve({ status: failure ? failure.code : 0, stdout, stderr }));
    });
  }

  async up() {
    const { status, stderr } = await this.kite("up", "-d", "--wait");
    if (status !== 0) throw new Error(`kite up: ${status}\n${stderr}`);
    this.operator = await Operator.connect(this);
  }

  async down() {
    await this.operator?.close();
    if (existsSync(join(this.instanceDir, "launcher", "api.json"))) await this.kite("down");
    rmSync(this.top, { recursive: true, force: true });
  }

  get api() {
    return JSON.parse(readFileSync(join(this.instanceDir, "launcher", "api.json"), "utf8"));
  }

  /** A module's record. */
  record(name) {
    return callJson(`${this.api.url}/launcher/modules/${name}`, { token: this.api.token });
  }

  /** What stands in the Registry. */
  registered(path) {
    return callJson(`http://127.0.0.1:${this.api.registry_port}/get/${path}`, { token: this.api.token });
  }

  log(name) {
    return readFileSync(join(this.instanceDir, "logs", `${name}.log`), "utf8");
  }

  /** The steps of a module. */
  steps(name) {
    const lines = readFileSync(join(this.instanceDir, "launcher", "lifecycle.jsonl"), "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line)).filter((step) => step.module === name);
  }

  /** Kill a module's process; returns when another life is ready. */
  async kill(name) {
    const { pid, life } = await this.record(name);
    process.kill(pid, "SIGKILL");
    await until(`another life of ${name}`, async () => {
      const record = await this.record(name).catch(() => null);
      return record && record.life > life && record.actual_state === "running";
    });
  }
}

/** The operator's connection to the Event Hub, made anew where the Hub was. */
export class Operator {
  #number = 0;
  events = [];

  static async connect(kite) {
    const operator = new Operator();
    operator.kite = kite;
    await operator.again();
    return operator;
  }

  async again() {
    const { ws_endpoint: endpoint, token } = this.kite.api;
    await this.close();
    this.connection = await until("the hub", () => HubConnection.open(endpoint, token, { onEvent: (event) => this.events.push(event) }).catch((failure) => {
      if (failure.code === "unauthorized") throw failure;
      return null;
    }));
    await this.subscribe("_reply.operator.node.>");
  }

  subscribe(...patterns) {
    return this.connection.subscribe({ patterns, ...PLAIN });
  }

  publish(event, data, more = {}) {
    this.connection.send(JSON.stringify({ type: "event", event, data, ...more }));
  }

  /** The first event that is wanted, of those that have come and those that come. */
  async event(subject, isWanted = () => true) {
    return until(subject, () => this.events.find((event) => event.event === subject && isWanted(event.data, event)));
  }

  /** The whole reply, or the Hub's error as `{error}`. */
  async ask(subject, data, more = {}) {
    this.#number += 1;
    const id = `node-${process.pid}-${this.#number}`;
    const replyTo = `_reply.operator.node.${this.#number}`;
    let error = null;
    this.connection.onError = (frame) => (error = frame.event_id === id ? frame : error);
    this.publish(subject, data, { event_id: id, reply_to: replyTo, ...more });
    return until(`an answer to ${subject}`, () => this.events.find(({ event }) => event === replyTo) ?? (error && { error }));
  }

  /** The data of the reply. */
  async request(subject, data, more) {
    const reply = await this.ask(subject, data, more);
    if (reply.error || reply.headers?.["kite-error"]) throw new Error(JSON.stringify(reply));
    return reply.data;
  }

  async close() {
    await this.connection?.close();
  }
}
