// Modules in a real Kite, once with each WebSocket that there may be.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FORMS, PATIENCE, SDK, ThrowawayKite, hasKite, until } from "./throwaway.mjs";

const SETTINGS = "hub:\n  streams:\n    jobs:\n      subjects: [jobs.>]\n";

/** Does in a module what a test asks for, and says what came of it. */
const PROBE = `
import { HubConnection } from "${SDK}/connection.mjs";
import { KiteError, Module, RequestError } from "${SDK}/index.mjs";

const connections = [];
const open = HubConnection.open;
HubConnection.open = async (...given) => {
  connections.push(await open(...given));
  return connections.at(-1);
};

const module = new Module();
const seen = [];
let missed = 0;
const abilities = {
  socket: () => (typeof WebSocket === "undefined" ? "the package ws" : "Node's own WebSocket"),
  about: () => ({ name: module.name, life: module.life, token: module.token, environment: process.env, port: module.port }),
  request: ({ subject, data, timeout }) => module.request(subject, data, { timeout }),
  publish: ({ subject, data }) => module.publish(subject, data),
  call: ({ tool, data }) => module.call(tool, data),
  tools: () => module.registry.tools(),
  acked: ({ subject, data }) => module.publishAcked(subject, data),
  many: async ({ subject, count }) => {
    for (let n = 0; n < count; n += 1) {
      module.publish(subject, n);
      await module.drained();
    }
  },
  overfill: ({ subject, count }) => void setTimeout(async () => {
    connections.filter((one) => one.isOpen).forEach((one) => one.abort());
    let [kept, code] = [0, null];
    try {
      for (; kept < count; kept += 1) module.publish(subject, kept);
    } catch (full) {
      code = full.code;
    }
    await module.drained();
    module.publish("overfilled", { kept, code });
  }),
  get: (path) => module.registry.get(path),
  lookup: (fields) => module.registry.lookup(fields),
  record: (name) => module.registry.module(name),
  launcher: ({ verb, name, wish }) => module.launcher[verb](name, wish),
  register: (offer) => void module.register(offer),
  session: () => module.registry.sessionToken({ publish: [], subscribe: ["news.>"] }),
  seen: () => seen,
  missed: () => missed,
  openGate: () => openGate(),
  newest: () => newest,
  cut: () => void setTimeout(() => connections.filter((one) => one.isOpen).forEach((one) => one.abort())),
  cutAndPublish: ({ subject, count }) => {
    connections.filter((one) => one.isOpen).forEach((one) => one.abort());
    for (let n = 0; n < count; n += 1) module.publish(subject, n);
  },
  trace: async () => {
    await new Promise(setImmediate);
    return module.publish("traced", "x");
  },
  refuse: () => { throw new RequestError("no_such_fruit", { detail: "no price for 'pear'", fruit: "pear" }); },
  fail: async () => { throw new TypeError("oops"); },
  fill: () => "x".repeat(2_000_000),
  leave: (status) => { setTimeout(() => module.stop(status)); },
  reject: () => void setTimeout(() => Promise.reject(new RangeError("nobody waits for this"))),
  spawn: () => void module.spawn(async () => { await null; throw new RangeError("spawned work"); }),
};
module.handle("probe.do", async ({ data }) => {
  try {
    return (await abilities[data.what](data.with)) ?? null;
  } catch (failure) {
    if (!(failure instanceof KiteError) || ["refuse"].includes(data.what)) throw failure;
    return { code: failure.code, message: failure.message };
  }
});
module.on("news.>", ({ subject, data }) => void seen.push([subject, data]));
module.on("own.>", { echo: false }, ({ data }) => void seen.push(["own", data]));
module.on("slow.>", async ({ data }) => { await new Promise((resolve) => setTimeout(resolve, 10)); seen.push(["slow", data]); });
const newest = { seen: 0, missed: 0, last: null };
let openGate;
const gate = new Promise((resolve) => (openGate = resolve));
module.on("newest.>", { overflow: "drop_oldest", onGap: ({ missed, since }) => {
  newest.missed += missed;
  newest.since = since;
} }, async ({ data }) => {
  await gate;
  newest.seen += 1;
  newest.last = data.n;
});
module.onMissed(() => { missed += 1; });
module.onStart(async () => { module.log.info("started with %s", await module.request("answerer.whoami", null, { timeout: 60 })); });
module.onStop({ estimatedCleanup: 1 }, async () => { module.log.info("cleaned up"); });
await module.run();
`;

const ANSWERER = `
import { Module } from "${SDK}/index.mjs";
const module = new Module();
module.register({ type: "service", metadata: { colour: "green" } });
module.handle("answerer.whoami", () => module.replica);
module.handle("answerer.never", () => new Promise(() => {}));
module.handle("answerer.die", () => process.exit(3));
module.tool("add", { description: "adds", inputSchema: { type: "array" } }, ({ data }) => data[0] + data[1]);
await module.run();
`;

const WORKER = `
import { Module } from "${SDK}/index.mjs";
const module = new Module();
module.on("jobs.>", { durable: "work", start: "all", maxDeliver: 2 }, async (event) => {
  if (event.data.fails >= event.attempt) throw new Error("not yet");
  await module.publishAcked("done", { n: event.data.n, seq: event.seq, attempt: event.attempt });
});
await module.run();
`;

/** Each of its lives fails in another way. */
const BROKEN = `
import { Module } from "${SDK}/index.mjs";
const module = new Module();
module.on(module.settings.module === "forbidden" ? "secrets.>" : "allowed.x", () => {});
module.onStart(async () => { await null; throw new RangeError("cannot start"); });
module.onStop(() => module.log.info("cleaned up"));
await module.run();
`;

for (const { name: form, options, skip } of FORMS) {
  describe(`with ${form}`, { skip: hasKite ? skip : "there is no .venv/bin/kite: ./dev setup", timeout: 10 * PATIENCE * 1000 }, () => {
    const environment = `env:\n  NODE_OPTIONS: "${options}"\n  LOG_LEVEL: debug\n`;
    const kite = new ThrowawayKite({
      probe: { manifest: `depends_on: [answerer]\nscopes: [launcher.control]\npreferred_port: 0\nrestart:\n  max: 20\n${environment}`, program: PROBE },
      answerer: { manifest: `replicas: 2\nrestart:\n  max: 20\n${environment}`, program: ANSWERER },
      worker: { manifest: environment, program: WORKER },
      forbidden: { manifest: `state: manual\nrestart:\n  policy: never\nevents:\n  subscribe: [allowed.>]\n${environment}`, program: BROKEN },
      broken: { manifest: `state: manual\nrestart:\n  policy: never\n${environment}`, program: BROKEN },
    }, SETTINGS);
    const doing = (what, given, more) => kite.operator.request("probe.do", { what, with: given }, more);
    const ready = (life) => until("the probe is ready", async () => {
      const record = await kite.record("probe");
      return record.actual_state === "running" && record.life >= life;
    });

    before(async () => kite.up());
    after(async () => kite.down());

    test("it is this WebSocket that is used", async () => {
      assert.equal(await doing("socket"), form);
    });

    test("a module knows what the Launcher told it, and no token is in its environment", async () => {
      const { name, life, token, environment: seen, port } = await doing("about");
      assert.deepEqual([name, life, token.length], ["probe", 1, 64]);
      assert.ok(port > 0);
      assert.ok(!JSON.stringify(seen).includes(token));
      assert.match(kite.log("probe"), /info {5}started with [01]\n/);
    });

    test("modules are registered with what they answer and offer", async () => {
      const record = await kite.registered("answerer");
      assert.equal(record.module_type, "service");
      assert.deepEqual(record.events_subscribe, ["answerer.whoami", "answerer.never", "answerer.die", "answerer.add"]);
      assert.deepEqual(record.tools, [{ name: "add", description: "adds", input_schema: { type: "array" }, subject: "answerer.add" }]);
    });

    test("requests are answered, by one of the replicas", async () => {
      assert.equal(await doing("request", { subject: "answerer.add", data: [2, 3] }), 5);
      const answers = new Set();
      await until("both replicas have answered", async () => answers.add(await doing("request", { subject: "answerer.whoami" })).size === 2);
      assert.deepEqual([...answers].sort(), [0, 1]);
    });

    test("tools are listed and called by their names, also by the command line", async () => {
      assert.equal(await doing("call", { tool: "add", data: [20, 3] }), 23);
      assert.equal(await doing("call", { tool: "answerer/add", data: [1, 2] }), 3);
      assert.equal((await doing("call", { tool: "subtract" })).code, "tool_unknown");
      const add = { moduleId: "answerer", name: "add", description: "adds", inputSchema: { type: "array" }, outputSchema: null, subject: "answerer.add" };
      await until("the copy lists them as the Registry does", async () => !("expires_at" in (await doing("record", "answerer"))));
      assert.deepEqual(await doing("tools"), [add]);
      assert.deepEqual([(await doing("call", { tool: "add", data: [20, 4] })), (await kite.kite("call", "add", "[40, 2]")).stdout.trim()], [24, "42"]);
    });

    test("what goes wrong with a request has its code", async () => {
      const code = async (subject, timeout) => (await doing("request", { subject, timeout })).code;
      assert.equal(await code("nobody.there"), "no_responders");
      assert.equal(await code("answerer.never", 0.2), "request_timeout");
      assert.equal(await code("answerer.die", 60), "responder_lost");
      assert.equal(await code("a..b"), "invalid_subject");
    });

    test("a refusal travels with its code, a failure as handler_failed, a too large answer as event_too_large", async () => {
      const refused = await kite.operator.ask("probe.do", { what: "refuse" });
      assert.equal(refused.headers["kite-error"], "no_such_fruit");
      assert.deepEqual(refused.data, { code: "no_such_fruit", message: "no price for 'pear'", params: { detail: "no price for 'pear'", fruit: "pear" } });
      const failed = await kite.operator.ask("probe.do", { what: "fail" });
      assert.deepEqual([failed.data.code, failed.data.params.detail], ["handler_failed", "TypeError: oops"]);
      assert.match(kite.log("probe"), /handler\.failed <Request probe\.do/);
      assert.equal((await kite.operator.ask("probe.do", { what: "fill" })).data.code, "event_too_large");
    });

    test("a request whose deadline has passed is not handled", async () => {
      await kite.operator.subscribe("late");
      const headers = { "kite-deadline": "2020-01-01T00:00:00Z" };
      kite.operator.publish("probe.do", { what: "publish", with: { subject: "late" } }, { headers, reply_to: "_reply.operator.node.late" });
      await doing("socket");
      assert.ok(!kite.operator.events.some(({ event }) => event === "late"));
      assert.match(kite.log("probe"), /debug {4}request\.expired <Request probe\.do/);
    });

    test("events come in order, and one's own where they are wanted", async () => {
      for (let n = 0; n < 200; n += 1) kite.operator.publish("news.order", n);
      await doing("publish", { subject: "own.a", data: "mine" });
      await doing("publish", { subject: "news.own", data: "mine" });
      kite.operator.publish("own.b", "another's");
      const seen = await until("all have come", async () => {
        const all = await doing("seen");
        return all.some(([, data]) => data === "another's") && all;
      });
      const numbers = seen.filter(([subject]) => subject === "news.order").map(([, data]) => data);
      assert.deepEqual(numbers, Array.from({ length: 200 }, (_, n) => n));
      assert.ok(seen.some(([subject]) => subject === "news.own"));
      assert.ok(!seen.some(([subject, data]) => subject === "own" && data === "mine"));
    });

    test("an acknowledged event says to how many it went, and which stream keeps it", async () => {
      await kite.operator.subscribe("counted");
      const published = await doing("acked", { subject: "counted", data: 1 });
      assert.deepEqual([published.delivered, published.duplicate, published.stream], [1, false, null]);
      assert.equal((await doing("acked", { subject: "module.failed", data: 1 })).code, "permission_denied");
    });

    test("what handlers publish belongs to the trace of what they handle", async () => {
      await kite.operator.subscribe("traced");
      const headers = { traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", tracestate: "a=b" };
      const id = await doing("trace", null, { headers });
      const traced = await kite.operator.event("traced", (_, event) => event.event_id === id);
      assert.deepEqual(traced.headers, headers);
      const untraced = await doing("trace");
      assert.equal((await kite.operator.event("traced", (_, event) => event.event_id === untraced)).headers, undefined);
    });

    test("much is published and all of it arrives; without a connection ten thousand events wait, and the publisher is told", async () => {
      await kite.operator.subscribe("much", "overfilled");
      await doing("many", { subject: "much", count: 20_000 });
      await kite.operator.event("much", (data) => data === 19_999);
      const numbers = kite.operator.events.filter(({ event }) => event === "much").map(({ data }) => data);
      assert.deepEqual(numbers, Array.from({ length: 20_000 }, (_, n) => n));
      kite.operator.events = [];
      await doing("overfill", { subject: "much", count: 20_000 });
      const { data } = await kite.operator.event("overfilled");
      assert.deepEqual(data, { kept: 10_000, code: "publish_queue_full" });
      assert.equal(kite.operator.events.filter(({ event }) => event === "much").length, 10_000);
    });

    test("the Registry answers, also from the copy that follows it", async () => {
      assert.equal(await doing("get", "answerer.metadata.colour"), "green");
      const records = await doing("lookup", { "metadata.colour": "gr?en" });
      assert.deepEqual(records.map((record) => record.module_id), ["answerer"]);
      assert.equal((await doing("get", "nobody.there")).code, "not_found");
      await until("there is a copy", async () => !("expires_at" in (await doing("record", "answerer"))));
      await doing("register", { metadata: { mood: "fine" } });
      await until("the copy follows", async () => (await doing("get", "probe.metadata.mood")) === "fine");
      const { token, expiresAt } = await doing("session");
      assert.match(`${token} ${expiresAt}`, /^[0-9a-f]{64} 20/);
    });

    test("the Launcher does what the scope allows", async () => {
      const { life } = await kite.record("worker");
      const record = await doing("launcher", { verb: "restart", name: "worker", wish: { reason: "a test", wait: true } });
      assert.deepEqual([record.actual_state, record.life], ["running", life + 1]);
      assert.equal((await doing("launcher", { verb: "module", name: "none" })).code, "unknown_module");
    });

    test("a durable handler gets what a stream keeps, again where it failed, and a dead letter in the end", async () => {
      await kite.operator.subscribe("done", "_dead.work");
      for (const [n, fails] of [[1, 0], [2, 1], [3, 9]]) kite.operator.publish("jobs.add", { n, fails });
      const attempts = [];
      for (const n of [1, 2]) attempts.push((await kite.operator.event("done", (data) => data.n === n)).data.attempt);
      assert.deepEqual(attempts, [1, 2]);
      const dead = await kite.operator.event("_dead.work");
      assert.match(JSON.stringify(dead), /Error: not yet/);
      await kite.kite("stop", "worker");
      kite.operator.publish("jobs.add", { n: 4, fails: 0 });
      await kite.kite("start", "worker");
      assert.equal((await kite.operator.event("done", (data) => data.n === 4)).data.attempt, 1);
    });

    test("who wants the newest is told how many are missing, and holds nobody", async () => {
      const text = "x".repeat(10_000);
      const count = 2000;
      for (let n = 0; n < count; n += 1) kite.operator.publish("newest.reading", { n, text });
      await kite.operator.connection.drained();
      await doing("socket"); // behind them, and answered while the other handler waits
      await doing("openGate");
      const newest = await until("all is accounted for", async () => {
        const { seen, missed, ...more } = await doing("newest");
        return seen + missed === count && { seen, missed, ...more };
      });
      assert.equal(newest.last, count - 1);
      assert.ok(newest.missed > 0 && newest.seen > 100, JSON.stringify(newest));
      assert.match(newest.since, /^20.*Z$/);
    });

    test("a subscription that the manifest forbids is final: status 2; a start handler that fails: 1, after the stop handlers", async () => {
      assert.notEqual((await kite.kite("start", "forbidden")).status, 0);
      assert.equal(kite.steps("forbidden").findLast((step) => step.event === "exited").exit_code, 2);
      assert.match(kite.log("forbidden"), /forbidden may not subscribe/);
      assert.notEqual((await kite.kite("start", "broken")).status, 0);
      assert.equal(kite.steps("broken").findLast((step) => step.event === "exited").exit_code, 1);
      assert.match(kite.log("broken"), /module\.failed\n.*RangeError: cannot start[^]*cleaned up/);
    });

    test("after a cut connection everything is there again, what was missed comes whole, and what waited goes out", async () => {
      await kite.operator.subscribe("module.ready", "kept");
      const before = kite.operator.events.length;
      await doing("cutAndPublish", { subject: "kept", count: 500 }).catch(() => {});
      for (let n = 0; n < 100; n += 1) kite.operator.publish("news.missed", n);
      await until("ready again", () => kite.operator.events.slice(before).some(({ event, data }) => event === "module.ready" && data.module_id === "probe"));
      await kite.operator.event("kept", (data) => data === 499);
      const kept = kite.operator.events.filter(({ event }) => event === "kept").map(({ data }) => data);
      assert.deepEqual(kept, Array.from({ length: 500 }, (_, n) => n));
      const seen = await until("all that was missed", async () => {
        const all = (await doing("seen")).filter(([subject]) => subject === "news.missed");
        return all.length >= 100 && all;
      });
      assert.deepEqual(seen.map(([, data]) => data), Array.from({ length: 100 }, (_, n) => n));
      assert.equal(await doing("missed"), 0);
      assert.match(kite.log("probe"), /connection\.restored losses=2/);
    });

    test("a killed Hub costs a pause, and modules are told that they missed something", async () => {
      await kite.kill("event_hub");
      await kite.operator.again();
      await until("both are back", async () => (await kite.operator.ask("probe.do", { what: "socket" })).data);
      await until("it was told", async () => (await doing("missed")) === 1);
      await until("answers again", async () => (await doing("request", { subject: "answerer.add", data: [1, 1] })) === 2);
      assert.equal((await kite.record("probe")).life, 1);
    });

    test("a killed Registry costs nothing that the Hub does, and has the entries again", async () => {
      await kite.kill("registry");
      assert.equal(await doing("request", { subject: "answerer.add", data: [4, 4] }), 8);
      await until("registered again", async () => (await doing("get", "answerer.metadata.colour")) === "green");
      assert.equal((await kite.record("probe")).life, 1);
    });

    test("another process with the token of a life lives until its standard input ends, one with a dead token leaves with 6", async () => {
      const { token, life, environment: seen } = await doing("about");
      const begin = (line) => {
        const child = spawn(process.execPath, [...(options ? [options] : []), join(kite.project, "modules", "answerer", "main.mjs")], { env: { ...seen, NODE_OPTIONS: "" } });
        let said = "";
        child.stderr.on("data", (text) => (said += text));
        child.stdin.write(`${JSON.stringify(line)}\n`);
        return Object.assign(child, { ended: new Promise((resolve) => child.on("exit", (status, signal) => resolve({ status, signal, said }))) });
      };
      const dead = await begin({ token: "0".repeat(64), life }).ended;
      assert.equal(dead.status, 6, dead.said);
      assert.match(dead.said, /the token is missing or not known/);
      const told = await begin({ token: "0".repeat(64), life, ws_endpoint: kite.api.ws_endpoint }).ended;
      assert.equal(told.status, 6, told.said);

      for (const leave of [(child) => child.stdin.end(), (child) => child.kill("SIGTERM")]) {
        kite.operator.events = [];
        await kite.operator.subscribe("module.ready");
        const child = begin({ token, life });
        await kite.operator.event("module.ready", (data) => data.module_id === "probe");
        leave(child);
        const left = await child.ended;
        assert.deepEqual([left.status, left.signal], [0, null], left.said);
      }
    });

    test("without Kite a module says so and leaves with 2", async () => {
      const child = spawn(process.execPath, [join(kite.project, "modules", "answerer", "main.mjs")], { env: { PATH: process.env.PATH } });
      let said = "";
      child.stderr.on("data", (text) => (said += text));
      const status = await new Promise((resolve) => child.on("exit", resolve));
      assert.equal(status, 2, said);
      assert.match(said, /was not started by Kite: KITE_MODULE is not set; put its folder under modules\/ and type kite up/);
    });

    for (const what of ["reject", "spawn"]) {
      test(`work that fails (${what}) ends the module with its stack and status 1, in good order`, async () => {
        const { life } = await kite.record("probe");
        const cleaned = kite.log("probe").split("cleaned up").length;
        await doing(what).catch(() => {});
        await ready(life + 1);
        assert.equal(kite.steps("probe").findLast((step) => step.event === "exited").exit_code, 1);
        assert.match(kite.log("probe"), /task\.failed\n.*RangeError: (nobody waits for this|spawned work)/);
        assert.equal(kite.log("probe").split("cleaned up").length, cleaned + 1);
      });
    }

    test("a module leaves with the status that it says", async () => {
      const { life } = await kite.record("probe");
      await doing("leave", 5);
      await ready(life + 1);
      assert.equal(kite.steps("probe").findLast((step) => step.event === "exited").exit_code, 5);
    });

    test("asked to stop, a module finishes what has come, cleans up, says so, and leaves with 0", async () => {
      await kite.operator.subscribe("module.shutdown.*");
      for (let n = 0; n < 20; n += 1) kite.operator.publish("slow.x", n);
      const stopped = await kite.kite("stop", "probe");
      assert.equal(stopped.status, 0, stopped.stderr);
      const ack = await kite.operator.event("module.shutdown.ack", (data) => data.module_id === "probe");
      assert.ok(ack.data.estimated_cleanup >= 1);
      await kite.operator.event("module.shutdown.ready", (data) => data.module_id === "probe");
      assert.equal(kite.steps("probe").findLast((step) => step.event === "exited").exit_code, 0);
      assert.match(kite.log("probe"), /module\.stopping reason=stop_requested[^]*cleaned up/);
    });

    test("who asks a module that is stopped while it works is told", async () => {
      const asked = kite.operator.ask("answerer.never");
      await until("it has come", async () => (await kite.operator.request("answerer.whoami")) !== undefined);
      void kite.kite("stop", "answerer");
      const { data } = await asked;
      assert.equal(data.code, "module_stopping");
    });
  });
}
