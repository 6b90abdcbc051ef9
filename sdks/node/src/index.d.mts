/**
 * Kite for Node: write a module in ten lines.
 *
 *     import { Module } from "kite-runtime";
 *
 *     const module = new Module();
 *     module.handle("greet", (request) => ({ text: `hello, ${request.data.name}` }));
 *     await module.run();
 *
 * Durations are seconds. Subjects are dotted names; in a pattern `*` stands for one token, a last `>` for
 * one or more.
 */

/** Names and values that travel along with an event. */
export type Headers = Readonly<Record<string, string>>;

/** A record of the Registry or the Launcher, as its JSON says. */
export type Entry = Record<string, unknown>;

/** One event as a handler sees it. Do not change `data` if other handlers get it too. */
export class Event {
  protected constructor();
  /** Its name, `docs.file.changed`. */
  subject: string;
  /** What the publisher sent. */
  data: any;
  /** Unique per source; a subscriber that must not act twice remembers it. */
  get id(): string;
  /** The module that published it, or `operator`. */
  get source(): string;
  /** When, RFC 3339 UTC. */
  get timestamp(): string;
  get headers(): Readonly<Record<string, unknown>>;
  /** The subject on which an answer is expected, or null. */
  get replyTo(): string | null;
  /** Its number in its stream, where it comes through a durable subscription; else null. */
  get seq(): number | null;
  /** The how many-th delivery of it that is, from 1. */
  get attempt(): number;
  toString(): string;
}

/** An event whose publisher waits for the handler's answer. */
export class Request extends Event {
  /** The instant from which on nobody waits any more, or null. */
  get deadline(): Date | null;
}

export interface OnOptions {
  /** Share the events with all who name the same queue: each goes to one of them. */
  queue?: string | null;
  /** Whether the events that this process publishes come too (true). */
  echo?: boolean;
  /** How many events are handled at the same time (1, which keeps their order). */
  concurrency?: number;
  /** `hold` (default): when too much waits, publishers do. `drop_oldest`: the oldest events are dropped. */
  overflow?: "hold" | "drop_oldest";
  /** With `drop_oldest`: called in place of the events that are missing. Without it the log tells. */
  onGap?: ((gap: { missed: number; since: string }) => unknown) | null;
  /** Work through what a stream of `kite.yaml` keeps, under this name; what follows belongs to it. */
  durable?: string | null;
  /** Which stream, where several keep what matches. */
  stream?: string | null;
  /** Where it begins when it is new: `new` (default), `all`, a sequence number, or an RFC 3339 instant. */
  start?: string | number;
  /** Until an event that is not done comes again (30). */
  ackWait?: number;
  /** Attempts until it is a dead letter on `_dead.<durable>` (5). */
  maxDeliver?: number;
  /** Events that are here and not done (8 × concurrency). */
  maxInFlight?: number;
}

export interface HandleOptions {
  /** The queue group; by default one called like the module. null: everybody gets every request. */
  queue?: string | null;
  /** How many requests are handled at the same time (16). */
  concurrency?: number;
}

export interface ToolOptions extends HandleOptions {
  description?: string;
  /** JSON Schema of what it takes. */
  inputSchema?: unknown;
  /** JSON Schema of what it gives. */
  outputSchema?: unknown;
  /** Where it is called; default `<module>.<name>`. */
  subject?: string;
}

export interface Offer {
  /** `module_type`: `agent`, `service`, …. */
  type?: string;
  /** What people call it. */
  name?: string;
  /** URL of its own HTTP server. */
  apiEndpoint?: string;
  /** URL, or a path below `apiEndpoint`. */
  healthEndpoint?: string;
  /** Subjects with descriptions, or a list. */
  eventsPublish?: Record<string, string> | string[];
  /** Patterns; default: those of the handlers. */
  eventsSubscribe?: string[];
  /** What agents may call, beside what `tool` declares: any JSON values. */
  tools?: unknown[];
  /** Anything else; several calls are merged. */
  metadata?: Record<string, unknown>;
}

/** An event that the Hub has accepted. */
export interface Published {
  id: string;
  /** To how many connections it was queued. */
  delivered: number;
  /** The Hub had it already: an earlier try had arrived. */
  duplicate: boolean;
  /** Which stream keeps it, and its number there. */
  stream: string | null;
  seq: number | null;
}

export interface ModuleSettings {
  module: string;
  moduleDir: string;
  dataDir: string;
  registryPort: number;
  instance: string;
  instanceDir: string;
  projectDir: string;
  workspace: string;
  port: number | null;
}

/** Writes one line a message to standard error; of an Error the stack behind it. `%s`, `%d`, `%j` are filled in. */
export interface Log {
  debug(message: unknown, ...more: unknown[]): void;
  info(message: unknown, ...more: unknown[]): void;
  warn(message: unknown, ...more: unknown[]): void;
  error(message: unknown, ...more: unknown[]): void;
}

/** The Registry, asked in a module's name, from a copy that follows every change. */
export interface Registry {
  /** The JSON value at a dotted path, such as `event_hub.metadata.ws_endpoint`; `not_found`. */
  get(path: string): Promise<any>;
  /** The records whose fields match; a field may be dotted, `*` and `?` stand for any text and any character. */
  lookup(fields?: Readonly<Record<string, string>>): Promise<Entry[]>;
  modules(): Promise<Entry[]>;
  /** One module's record; `not_found`. */
  module(moduleId: string): Promise<Entry>;
  /** What all modules offer to be called. */
  tools(): Promise<Tool[]>;
  /** A narrower token for a web page of this module, which dies with the module's own. */
  sessionToken(options?: { publish?: string[]; subscribe?: string[]; ttl?: number }): Promise<{ token: string; expiresAt: string }>;
}

/** A tool of a module; `subject` is null where it cannot be called. */
export interface Tool {
  moduleId: string;
  name: string;
  description: string | null;
  inputSchema: object | boolean | null;
  outputSchema: object | boolean | null;
  subject: string | null;
}

export interface Wish {
  /** Why: the log says it. */
  reason?: string;
  /** Until it is done (at most 60 s), instead of only asking. */
  wait?: boolean;
}

/** The Launcher. Acting needs `scopes: [launcher.control]` in the manifest. */
export interface Launcher {
  /** Every module as `kite ps --json` shows it. */
  modules(): Promise<Entry[]>;
  module(name: string): Promise<Entry>;
  start(name: string, wish?: Wish): Promise<Entry>;
  stop(name: string, wish?: Wish): Promise<Entry>;
  /** With `life` that one of its processes alone. */
  restart(name: string, wish?: Wish & { life?: number }): Promise<Entry>;
}

/**
 * A Kite module: declare what it does, then `run` it. A lost connection is restored by itself, with every
 * subscription, the registration and `module.ready`.
 */
export class Module {
  /** Call the function with each event that matches. What it throws is logged; the module goes on. */
  on(pattern: string, handler: (event: Event) => unknown): this;
  on(pattern: string, options: OnOptions, handler: (event: Event) => unknown): this;
  /**
   * Answer requests with what the function returns. `throw new RequestError("code", { detail: "…" })`
   * answers with that code; anything else it throws is logged and answered with `handler_failed`.
   */
  handle(subject: string, handler: (request: Request) => unknown): this;
  handle(subject: string, options: HandleOptions, handler: (request: Request) => unknown): this;
  /**
   * Offer a function to be called by name: by agents, other modules, `kite call`. It is `handle` on the
   * tool's subject, and an entry in the registration. What does not fit its schema is the function's to
   * refuse, with the code `invalid_input`.
   */
  tool(name: string, handler: (request: Request) => unknown): this;
  tool(name: string, options: ToolOptions, handler: (request: Request) => unknown): this;
  /** Run it once, connected and registered, before the module is ready. What it throws ends the module with status 1. */
  onStart(handler: () => unknown): this;
  /** Run it before the module leaves; the last declared first. */
  onStop(handler: () => unknown): this;
  onStop(options: { estimatedCleanup?: number }, handler: () => unknown): this;
  /** Run it when events were missed that cannot be had any more. */
  onMissed(handler: () => unknown): this;
  /** Say in the Registry what this module offers; before `run`, and while it runs. */
  register(offer: Offer): this;

  /** Publish an event and go on; its id. At most once: see the documentation for what waits during an outage. */
  publish(subject: string, data?: unknown, options?: { headers?: Headers }): string;
  /** Publish an event and wait until the Hub has accepted it; at least once. */
  publishAcked(subject: string, data?: unknown, options?: { headers?: Headers; timeout?: number }): Promise<Published>;
  /** Wait until what has been published is on its way: call it now and then in a loop. */
  drained(): Promise<void>;
  /** Ask whoever handles the subject; the data of the answer. */
  request(subject: string, data?: unknown, options?: { headers?: Headers; timeout?: number }): Promise<any>;
  /** Call a tool by its name, `search` or `docs/search`: `tool_unknown`, `tool_ambiguous`, `tool_not_callable`, else as `request`. */
  call(tool: string, data?: unknown, options?: { headers?: Headers; timeout?: number }): Promise<any>;
  get registry(): Registry;
  get launcher(): Launcher;

  /** Work beside the handlers, told by the signal to end. What it throws ends the module with status 1. */
  spawn<Result>(work: (signal: AbortSignal) => PromiseLike<Result> | Result): Promise<Result | undefined>;
  /** Leave in good order, as if asked to; `status` is the exit status. */
  stop(status?: number): void;
  /** Wait until the module has said `module.ready`. */
  ready(): Promise<void>;
  /**
   * Run the module until it is to go, and end the process. 0: in good order. 1: a start or stop handler or
   * other work failed. 2: wrongly started or configured. 6: its token is dead.
   */
  run(): Promise<never>;
  /** Like `run`, but returns the exit status, and leaves signals to the caller. */
  serve(): Promise<number>;

  /** Aborted when the module's own work is to end. */
  get signal(): AbortSignal;
  /** The number of this process among the module's, from 1. */
  get life(): number;
  /** The token of this life, for talking to Kite's servers oneself. Never show it. */
  get token(): string;
  /** Which of several processes side by side this is, from 0. */
  get replica(): number;
  get settings(): ModuleSettings;
  get name(): string;
  /** The module's own folder. */
  get dir(): string;
  /** The directory for what this module keeps; it exists and is the module's own. */
  get dataDir(): string;
  get projectDir(): string;
  /** The port to listen on, where the manifest has a `preferred_port`. */
  get port(): number | null;
  get log(): Log;
}

/** Base of all errors that Kite throws on purpose. */
export class KiteError extends Error {
  constructor(code: string, params?: Record<string, unknown>);
  /** Of `protocol/errors.json`, or the author's own. */
  code: string;
  params: Record<string, unknown>;
  /** What to do next; may be empty. */
  hint: string;
  /** The exit status of a program that ends with it. */
  get exit(): number;
}
/** An environment or a file that a person wrote is wrong. */
export class ConfigError extends KiteError {}
/** The caller asked for something that cannot be done. */
export class RequestError extends KiteError {}
/** The other side of a connection broke the protocol or refused. */
export class PeerError extends KiteError {}
/** A module's own program is wrong. */
export class ModuleError extends KiteError {}
/** Not now; the same call may succeed later. */
export class Unavailable extends KiteError {}
