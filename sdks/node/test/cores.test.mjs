// The smaller cores: times, queues, subscriptions, envelopes, settlements, tools.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Envelopes } from "../src/core/envelopes.mjs";
import { estimate, ordersOf, patienceFor, timeToFinish } from "../src/core/farewell.mjs";
import { Lease } from "../src/core/lease.mjs";
import { Line } from "../src/core/line.mjs";
import { Mirror } from "../src/core/mirror.mjs";
import { Mark, makeRoom } from "../src/core/newest.mjs";
import { Outbox } from "../src/core/outbox.mjs";
import { Pending } from "../src/core/pending.mjs";
import { settlementOf } from "../src/core/settlement.mjs";
import { PLAIN, arrange, asksOf, subscribeFrame } from "../src/core/subscriptions.mjs";
import { RequestError, Unavailable } from "../src/errors.mjs";
import { offered, subjectOf } from "../src/wire/tool.mjs";

// -- how a module leaves ---------------------------------------------------------------------

test("only an order that names this module, and this life where it names one, is meant", () => {
  assert.deepEqual(ordersOf({ module_id: "m", life: 2, reason: "r", timeout: 3 }, "m", 2), { reason: "r", timeout: 3 });
  assert.deepEqual(ordersOf({ module_id: "m", timeout: "soon" }, "m", 2), { reason: "", timeout: 10 });
  for (const other of [null, [], "m", { module_id: "n" }, { module_id: "m", life: 1 }]) assert.equal(ordersOf(other, "m", 2), null);
});

test("promises what the stop handlers say within what is allowed, and leaves them their part", () => {
  assert.equal(estimate([1, 2], { hasBacklog: true, timeout: 10 }), 3.5);
  assert.equal(estimate([20], { hasBacklog: false, timeout: 10 }), 10);
  assert.deepEqual([patienceFor("shutdown", { reason: "", timeout: 7 }), patienceFor("signal", null), patienceFor("own", null)], [7, 4, 10]);
  assert.deepEqual([timeToFinish(8, []), timeToFinish(8, [3]), timeToFinish(8, [100])], [6, 5, 4]);
});

// -- the lease -------------------------------------------------------------------------------

test("renews at a third, registers again where it is forgotten, and speaks soon when it is not heard", () => {
  const lease = new Lease(0);
  assert.equal(lease.step, "register");
  lease.granted(30, 100);
  assert.deepEqual([lease.step, lease.due], ["heartbeat", 110]);
  lease.unheard(101);
  assert.equal(lease.due, 103);
  lease.failed(new Unavailable("unreachable"), 103, 0.5);
  assert.deepEqual([lease.step, lease.due > 103 && lease.due < 104], ["heartbeat", true]);
  lease.failed(new RequestError("not_registered"), 105, 0.5);
  assert.deepEqual([lease.step, lease.due], ["register", 105]);
});

// -- queues ----------------------------------------------------------------------------------

test("a line keeps its order, whatever is put and taken", () => {
  const line = new Line();
  const model = [];
  let state = 7;
  const random = (below) => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) % below;
  for (let step = 0; step < 50_000; step += 1) {
    const what = random(20);
    if (what < 11) line.put(step), model.push(step);
    else if (what === 11) line.putFirst(-step), model.unshift(-step);
    else assert.equal(line.take(), model.shift());
    assert.equal(line.length, model.length);
    assert.equal(line.first, model[0]);
  }
  assert.deepEqual(line.takeAll(), model);
  assert.equal(line.length, 0);
});

test("the outbox is bounded by events and by bytes, and keeps what is in it", () => {
  const outbox = new Outbox({ maxEvents: 2, maxBytes: 10 });
  outbox.put("äää"); // six bytes
  assert.throws(() => outbox.put("12345"), { code: "publish_queue_full" });
  outbox.put("1234");
  assert.throws(() => outbox.put(""), { code: "publish_queue_full", params: { count: 2, size: 10 } });
  assert.equal(outbox.next, "äää");
  outbox.taken();
  assert.deepEqual([outbox.next, outbox.size, outbox.length], ["1234", 4, 1]);
});

test("the oldest makes room, and one mark tells of all that are missing", () => {
  const waiting = new Line();
  for (const size of [10, 10, 10]) waiting.put({ event: { type: "event", event: "a" }, size });
  assert.deepEqual(makeRoom(waiting, 15, "now"), { dropped: 2, freed: 20 });
  assert.deepEqual(waiting.first, { event: new Mark(2, "now"), size: 0 });
  assert.deepEqual(makeRoom(waiting, 1, "later"), { dropped: 1, freed: 10 });
  assert.deepEqual(waiting.takeAll(), [{ event: new Mark(3, "now"), size: 0 }]);
});

test("an answer is taken once, and one that comes later is counted", () => {
  const pending = new Pending();
  pending.add("a", 1);
  assert.equal(pending.answered("a"), 1);
  assert.equal(pending.answered("a"), undefined);
  assert.equal(pending.late, 1);
  assert.equal(pending.refused("b"), undefined);
  assert.equal(pending.late, 1);
});

// -- subscriptions ---------------------------------------------------------------------------

const DURABLE = { name: "d", stream: null, start: "all", ackWait: 30, maxDeliver: 5, maxInFlight: 8 };

test("subscriptions share a connection unless one would get what is meant for the other", () => {
  const plain = (pattern, more = {}) => ({ pattern, ...PLAIN, ...more });
  const counts = (...subscriptions) => arrange(subscriptions).map((group) => group.length);
  assert.deepEqual(counts(plain("a.>"), plain("a.b"), plain("a.>")), [2]);
  assert.deepEqual(counts(plain("a.>"), plain("a.b", { queue: "q" })), [1, 1]);
  assert.deepEqual(counts(plain("a.>"), plain("b", { queue: "q" })), [2]);
  assert.deepEqual(counts(plain("a.>"), plain("a.b", { echo: false })), [1, 1]);
  assert.deepEqual(counts(plain("a"), plain("b", { overflow: "drop_oldest" })), [1, 1]);
  assert.deepEqual(counts(plain("a"), plain("b", { durable: DURABLE }), plain("c", { durable: DURABLE })), [1, 2]);
});

test("a frame is asked for all patterns with the same options, as the protocol writes it", () => {
  const plain = { pattern: "a", ...PLAIN };
  const asks = asksOf([plain, { ...plain, pattern: "b", queue: "q", echo: false }, { ...plain, pattern: "c" }]);
  assert.deepEqual(subscribeFrame(1, asks[0], true), { type: "subscribe", events: ["a", "c"], id: 1, resume: true });
  assert.deepEqual(subscribeFrame(2, asks[1], false), { type: "subscribe", events: ["b"], id: 2, queue: "q", echo: false });
  const [durable] = asksOf([{ ...plain, durable: { ...DURABLE, start: 7, stream: "s" } }]);
  assert.deepEqual(subscribeFrame(3, durable, durable.mayResume), {
    type: "subscribe", events: ["a"], id: 3, durable: "d", stream: "s", start: { seq: 7 }, ack_wait: 30, max_deliver: 5, max_in_flight: 8,
  });
  assert.deepEqual(subscribeFrame(4, { ...durable, durable: { ...DURABLE, start: "2026-01-31T09:00:00Z" } }, false).start, { time: "2026-01-31T09:00:00Z" });
});

test("what was handled is done, and what failed comes again, later each time", () => {
  const event = { type: "event", event: "a", seq: 41, attempt: 3 };
  assert.deepEqual(settlementOf(DURABLE, event, null), { type: "ack", durable: "d", seq: 41 });
  assert.deepEqual(settlementOf(DURABLE, event, { failure: new TypeError("no") }), { type: "nack", durable: "d", seq: 41, delay: 2, reason: "TypeError: no" });
  assert.equal(settlementOf(DURABLE, { ...event, attempt: 99 }, { failure: "x" }).delay, 60);
  assert.equal(settlementOf(DURABLE, { type: "event", event: "a" }, null), null);
});

// -- envelopes -------------------------------------------------------------------------------

test("events are written as frames, and are known again as one's own", () => {
  const envelopes = new Envelopes("shop", "p");
  const { id, frame } = envelopes.write("a.b", { x: 1 }, Date.UTC(2026, 0, 31, 9, 5, 7, 123), { headers: { h: "v" }, ack: true });
  assert.deepEqual(JSON.parse(frame), {
    type: "event", event: "a.b", event_id: id, source: "shop", timestamp: "2026-01-31T09:05:07.123Z", headers: { h: "v" }, ack: true, data: { x: 1 },
  });
  assert.equal("data" in JSON.parse(envelopes.write("a.b", undefined, 0).frame), false);
  assert.ok(envelopes.isOwn(JSON.parse(frame)));
  assert.ok(!envelopes.isOwn({ ...JSON.parse(frame), event_id: "q-1" }));
  const asked = envelopes.writeRequest("a", null, Date.UTC(2026, 0, 1), { timeout: 2.5, headers: undefined });
  const request = JSON.parse(asked.frame);
  assert.equal(request.headers["kite-deadline"], "2026-01-01T00:00:02.500Z");
  assert.equal(envelopes.requestOf(request.reply_to), asked.id);
  assert.equal(envelopes.requestOf("_reply.other.p.1"), null);
});

test("what cannot be sent is refused at once", () => {
  const envelopes = new Envelopes("shop", "p");
  assert.throws(() => envelopes.write("a..b", 1, 0), { code: "invalid_subject" });
  assert.throws(() => envelopes.write("a", "ü".repeat(600_000), 0), { code: "event_too_large" });
  assert.throws(() => envelopes.write("a", 1n, 0), TypeError);
  assert.throws(() => envelopes.write("a", () => {}, 0), TypeError);
  assert.ok(envelopes.write("a", "x".repeat(1_000_000), 0));
});

// -- the copy of the Registry ----------------------------------------------------------------

test("the copy follows changes in pieces, and forgets when it is told that some are missing", () => {
  const mirror = new Mirror();
  const event = (name, data, id) => `event: ${name}\ndata: ${JSON.stringify(data)}${id ? `\nid: ${id}` : ""}\n\n`;
  const change = (name, module_id, record, revision) => event(name, { module_id, record, revision }, `e:${revision}`);
  mirror.begin();
  const text = event("present", { module_id: "a", record: { module_id: "a", n: 1 } }) + event("synced", { epoch: "e", revision: 4 }) + change("registered", "b", { module_id: "b" }, 5);
  for (const character of text) mirror.feed(character);
  assert.deepEqual(mirror.place, { epoch: "e", revision: 5 });
  assert.deepEqual(mirror.lookup({}).map((record) => record.module_id), ["a", "b"]);
  mirror.feed(change("deregistered", "a", null, 6));
  assert.throws(() => mirror.module("a"), { code: "not_found" });
  assert.throws(() => mirror.get("a.n"), { code: "not_found" });
  mirror.end();
  mirror.begin();
  assert.equal(mirror.isSynced, false);
  mirror.feed(event("compacted", { epoch: "f", revision: 1, oldest: 1 }) + event("synced", { epoch: "f", revision: 1 }));
  assert.deepEqual([mirror.isSynced, mirror.lookup({})], [true, []]);
  assert.throws(() => mirror.feed("event: registered\ndata: nonsense\n\n"), { code: "bad_response" });
});

// -- tools -----------------------------------------------------------------------------------

test("a tool is found by its name, with its module where several have another one of that name", () => {
  const tools = [
    { module_id: "docs", tools: [{ name: "search", subject: "docs.search" }, "note", 5, null, { name: "plain" }] },
    { module_id: "web", tools: [{ name: "search", subject: "web.find" }, { name: "open", subject: "web.open", input_schema: { type: "object" }, description: 5 }] },
    { module_id: "web2", tools: [{ name: "open", subject: "web.open" }] },
    { module_id: "none", tools: "text" },
  ].flatMap(offered);
  assert.equal(subjectOf(tools, "open"), "web.open");
  assert.equal(subjectOf(tools, "web/search"), "web.find");
  assert.throws(() => subjectOf(tools, "search"), { code: "tool_ambiguous", message: /docs\/search, web\/search/ });
  assert.throws(() => subjectOf(tools, "close"), { code: "tool_unknown" });
  for (const name of ["note", "docs/plain"]) assert.throws(() => subjectOf(tools, name), { code: "tool_not_callable" });
  assert.deepEqual(tools.find((tool) => tool.name === "open"), { moduleId: "web", name: "open", description: null, inputSchema: { type: "object" }, outputSchema: null, subject: "web.open" });
});
