// The thin parts around the cores, without a Kite: handlers, standard input, the log, declarations.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { Lifeline } from "../src/boot.mjs";
import { PLAIN } from "../src/core/subscriptions.mjs";
import { Event, Request, deadlineOf } from "../src/event.mjs";
import { tellingGaps } from "../src/gaps.mjs";
import { Handler } from "../src/handlers.mjs";
import { Module, RequestError } from "../src/index.mjs";
import { Log } from "../src/log.mjs";
import { Publisher } from "../src/publisher.mjs";
import { readSettings } from "../src/settings.mjs";

const TOKEN = "ab".repeat(32);
const frame = (event, data, more = {}) => ({ type: "event", event, data, ...more });

function recordingLog(level = "debug") {
  const lines = [];
  return Object.assign(new Log(level, (text) => lines.push(text)), { lines });
}

// -- handlers --------------------------------------------------------------------------------

test("one after the other keeps the order, also where the handler waits", async () => {
  const seen = [];
  const handler = new Handler({ pattern: "a", ...PLAIN }, async ({ data }) => {
    await new Promise(data % 3 ? setImmediate : (resolve) => queueMicrotask(resolve));
    seen.push(data);
  }, { concurrency: 1, log: recordingLog() });
  for (let n = 0; n < 50; n += 1) handler.put(frame("a", n));
  handler.start();
  for (let n = 50; n < 100; n += 1) handler.put(frame("a", n));
  assert.ok(handler.isBusy);
  await handler.idle();
  assert.deepEqual(seen, Array.from({ length: 100 }, (_, n) => n));
});

test("no more than the concurrency runs at the same time", async () => {
  let [now, most] = [0, 0];
  const handler = new Handler({ pattern: "a", ...PLAIN }, async () => {
    most = Math.max(most, (now += 1));
    await new Promise(setImmediate);
    now -= 1;
  }, { concurrency: 3, log: recordingLog() });
  handler.start();
  for (let n = 0; n < 20; n += 1) handler.put(frame("a", n));
  await handler.idle();
  assert.equal(most, 3);
});

test("a handler that throws is logged with its stack, and the next event is handled", async () => {
  const log = recordingLog();
  const outcomes = [];
  const handler = new Handler({ pattern: "a", ...PLAIN }, ({ data }) => {
    if (data === 1) throw new TypeError("one");
    return data === 2 ? Promise.reject(new TypeError("two")) : undefined;
  }, { concurrency: 1, log });
  handler.done = (event, outcome) => outcomes.push([event.data, outcome?.failure.message ?? null]);
  handler.start();
  for (const n of [1, 2, 3]) handler.put(frame("a", n));
  await handler.idle();
  assert.deepEqual(outcomes, [[1, "one"], [2, "two"], [3, null]]);
  assert.match(log.lines[0], /^error {4}handler\.failed <Event a .*\nTypeError: one\n {4}at /);
});

test("handlers that never wait for anything outside leave the loop its turns", async () => {
  let turns = 0;
  const count = setInterval(() => (turns += 1), 0);
  const handler = new Handler({ pattern: "a", ...PLAIN }, async () => {
    const end = performance.now() + 1;
    while (performance.now() < end);
  }, { concurrency: 1, log: recordingLog() });
  for (let n = 0; n < 200; n += 1) handler.put(frame("a", n));
  handler.start();
  await handler.idle();
  clearInterval(count);
  assert.ok(turns > 0, "the timer ran while two hundred events were handled");
});

test("what is too much is dropped: the newest refused, or the oldest told of", async () => {
  const log = recordingLog();
  const refused = [];
  const held = new Handler({ pattern: "a", ...PLAIN }, () => {}, { concurrency: 1, log, refuse: (event) => refused.push(event.data), maxBacklog: 100 });
  for (const n of [1, 2, 3]) held.put(frame("a", n), 50);
  assert.deepEqual([refused, held.dropped], [[3], 1]);
  assert.match(log.lines[0], /handler\.overflowed pattern=a dropped=1 waiting=2 bytes=100/);

  const seen = [];
  const receive = tellingGaps("a", ({ data }) => seen.push(data), ({ missed }) => seen.push(`-${missed}`), log);
  const newest = new Handler({ pattern: "a", ...PLAIN, overflow: "drop_oldest" }, receive, { concurrency: 1, log, maxBacklog: 100 });
  for (const n of [1, 2, 3, 4]) newest.put(frame("a", n), 50);
  newest.start();
  await newest.idle();
  assert.deepEqual(seen, ["-2", 3, 4]);
});

test("what is cancelled returns what was waiting and begins nothing more", async () => {
  const seen = [];
  const handler = new Handler({ pattern: "a", ...PLAIN }, async ({ data }) => {
    seen.push(data);
    await new Promise(setImmediate);
  }, { concurrency: 1, log: recordingLog() });
  handler.start();
  for (const n of [1, 2, 3]) handler.put(frame("a", n));
  assert.deepEqual(handler.cancel().map(({ data }) => data), [2, 3]);
  await handler.idle();
  assert.deepEqual(seen, [1]);
});

// -- publishing while there is no connection ---------------------------------------------------

test("what is published without a connection goes out in order, and what the connection cannot take waits", async () => {
  const publisher = new Publisher();
  publisher.send("1");
  const sent = [];
  let drain;
  const outlet = {
    isOpen: true,
    room: 2,
    get isWritable() { return this.room > 0; },
    send(text) { this.room -= 1; sent.push(text); },
    drained() { return new Promise((resolve) => (drain = resolve)); },
  };
  publisher.attach(outlet);
  for (const text of ["2", "3", "4"]) publisher.send(text);
  assert.deepEqual(sent, ["1", "2"]);
  outlet.room = 5;
  drain();
  await publisher.attached();
  assert.deepEqual(sent, ["1", "2", "3", "4"]);
});

// -- standard input --------------------------------------------------------------------------

test("the boot line is read in whatever pieces it comes, and the end of the input is told", async () => {
  const input = new PassThrough();
  let ended = 0;
  const lifeline = new Lifeline(() => (ended += 1), input);
  const booted = lifeline.bootLine();
  for (const piece of ['{"token":"', TOKEN, '","life":4,"ws_endpoint":"ws://x"}', "\nmore\n"]) input.write(piece);
  assert.deepEqual(await booted, { token: TOKEN, life: 4, replica: 0, isAsked: false, wsEndpoint: "ws://x" });
  assert.equal(ended, 0);
  input.end();
  await new Promise((resolve) => input.on("close", resolve));
  assert.equal(ended, 1);
});

for (const [text, detail] of [["", "it is empty"], ["\n", "it is empty"], ["hello\n", "expected"], [`{"token":"${TOKEN}`, "expected"]]) {
  test(`${JSON.stringify(text)} is no boot line, and no token is shown`, async () => {
    const input = new PassThrough();
    const lifeline = new Lifeline(() => assert.fail("nothing has begun"), input);
    input.end(text);
    await assert.rejects(lifeline.bootLine(), (wrong) => wrong.code === "no_boot_line" && wrong.message.includes(detail) && !wrong.message.includes(TOKEN));
  });
}

test("without any WebSocket a module says what to type, and leaves with 2", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kite-node-sdk-"));
  try {
    cpSync(new URL("../src", import.meta.url), join(folder, "src"), { recursive: true });
    writeFileSync(join(folder, "main.mjs"), 'import { Module } from "./src/index.mjs";\nawait new Module().run();\n');
    const names = ["KITE_MODULE", "KITE_MODULE_DIR", "KITE_MODULE_DATA", "KITE_INSTANCE", "KITE_INSTANCE_DIR", "KITE_CWD", "KITE_WORKSPACE"];
    const env = { ...Object.fromEntries(names.map((name) => [name, folder])), KITE_REGISTRY_PORT: "1" };
    const child = spawn(process.execPath, ["--no-experimental-websocket", join(folder, "main.mjs")], { env });
    let said = "";
    child.stderr.on("data", (text) => (said += text));
    child.stdin.write(`${JSON.stringify({ token: TOKEN, life: 1, ws_endpoint: "ws://127.0.0.1:1/ws" })}\n`);
    assert.equal(await new Promise((resolve) => child.on("exit", resolve)), 2, said);
    assert.match(said, /no WebSocket of its own, and the package 'ws' is not installed; type npm install ws/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the environment is read whole, or the missing name is said", () => {
  const environment = {
    KITE_MODULE: "m", KITE_MODULE_DIR: "/d", KITE_MODULE_DATA: "/x", KITE_REGISTRY_PORT: "80", KITE_INSTANCE: "i", KITE_INSTANCE_DIR: "/i", KITE_CWD: "/p", KITE_WORKSPACE: "/w",
  };
  assert.deepEqual([readSettings(environment).port, readSettings({ ...environment, KITE_PORT: "8080" }).port], [null, 8080]);
  assert.throws(() => readSettings({ ...environment, KITE_CWD: undefined }), { code: "not_under_kite", message: /KITE_CWD is not set/ });
  assert.throws(() => readSettings({ ...environment, KITE_REGISTRY_PORT: "web" }), { code: "bad_environment", message: /KITE_REGISTRY_PORT/ });
});

// -- the log ---------------------------------------------------------------------------------

test("a message is one line with its level, a failure has its stack, and the level is heeded", () => {
  const log = recordingLog("warning");
  log.info("not said");
  log.warn("two\nlines %s %d", "x", 7);
  log.error("failed %j", { a: 1 }, new RangeError("out", { cause: new Error("in") }));
  assert.equal(log.lines[0], "warning  two\\nlines x 7\n");
  assert.match(log.lines[1], /^error {4}failed \{"a":1\}\nRangeError: out\n[^]*caused by: Error: in/);
  assert.match(recordingLog("loud").lines[0], /log\.level_unknown value="loud"/);
});

// -- declarations ----------------------------------------------------------------------------

test("what cannot be is refused where it is declared", () => {
  const module = new Module();
  const nothing = () => {};
  assert.throws(() => module.on("a..b", nothing), { code: "invalid_pattern" });
  assert.throws(() => module.on("a", { concurency: 2 }, nothing), /no option 'concurency'/);
  assert.throws(() => module.on("a", { concurrency: 0 }, nothing), RangeError);
  assert.throws(() => module.on("a", { overflow: "drop" }, nothing), RangeError);
  assert.throws(() => module.on("a", { onGap: nothing }, nothing), RangeError);
  assert.throws(() => module.on("a", { durable: "d", queue: "q" }, nothing), RangeError);
  assert.throws(() => module.on("a"), TypeError);
  assert.throws(() => module.on("a", function* () {}), { code: "handler_is_generator" });
  assert.throws(() => module.onStart(async function* () {}), { code: "handler_is_generator" });
  assert.throws(() => module.tool("a/b", nothing), RangeError);
  assert.throws(() => module.tool("a", { subject: "b.*" }, nothing), { code: "invalid_subject" });
  assert.throws(() => module.tool("twice", nothing).tool("twice", nothing), /two tools 'twice'/);
  module.on("a", { durable: "d" }, nothing);
  assert.throws(() => module.on("b", { durable: "d", ackWait: 5 }, nothing), RangeError);
  assert.throws(() => module.publish("a"), { code: "module_not_running" });
});

test("what is registered is what was said, what the handlers show, and the tools", () => {
  const module = new Module();
  module.register({ type: "agent", metadata: { a: 1 }, tools: ["plain"] }).register({ metadata: { b: 2 } });
  module.handle("shop.price", () => 3).on("news.>", () => {});
  module.tool("search", { description: "finds", inputSchema: { type: "object" } }, () => []);
  module.tool("open", { subject: "web.open" }, () => null);
  assert.deepEqual(module.declaration.record("shop"), {
    module_type: "agent",
    metadata: { a: 1, b: 2 },
    tools: ["plain", { name: "search", description: "finds", input_schema: { type: "object" }, subject: "shop.search" }, { name: "open", subject: "web.open" }],
    events_subscribe: ["shop.price", "news.>", "shop.search", "web.open"],
  });
});

test("an event has the protocol's fields, and a deadline is an instant with its offset", () => {
  const event = new Event(frame("a", undefined, { event_id: "i", seq: 3, attempt: 2, headers: { h: "v" } }));
  assert.deepEqual([event.data, event.id, event.source, event.replyTo, event.seq, event.attempt, event.headers.h], [null, "i", "", null, 3, 2, "v"]);
  const at = (text) => deadlineOf({ "kite-deadline": text })?.toISOString();
  assert.equal(at("2026-01-31T09:00:00.5+01:00"), "2026-01-31T08:00:00.500Z");
  for (const none of ["2026-01-31T09:00:00", "tomorrow", "2026-13-31T09:00:00Z", 5]) assert.equal(at(none), undefined);
  assert.equal(new Request(frame("a")).deadline, null);
});

test("an error of one's own code says its detail", () => {
  const error = new RequestError("no_such_fruit", { detail: "no price for 'pear'" });
  assert.deepEqual([error.code, error.message, error.hint, error.name], ["no_such_fruit", "no price for 'pear'", "", "RequestError"]);
});
