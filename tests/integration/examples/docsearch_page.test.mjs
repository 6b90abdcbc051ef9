// The page's own conversation with the Hub, its links and its words, without a browser.
import assert from "node:assert/strict";
import { mock, test } from "node:test";

const page = new URL("../../../examples/docsearch/modules/web/page/", import.meta.url);
const { readFileSync } = await import("node:fs");
// Node reads `.js` as CommonJS here; browsers are told by `type="module"`.
const load = (name) => import(`data:text/javascript,${encodeURIComponent(readFileSync(new URL(name, page), "utf8"))}`);
const { Hub, HubError } = await load("hub.js");
const { addressed, target } = await load("safe.js");
const { ago, LANGUAGES, speak, words } = await load("words.js");
globalThis.crypto ??= (await import("node:crypto")).webcrypto;

/** The far end of a WebSocket, as far as the page can see it. */
class FakeSocket extends EventTarget {
  static made = [];

  constructor(url, protocols) {
    super();
    Object.assign(this, { url, protocols, sent: [], isClosed: false });
    FakeSocket.made.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    if (this.isClosed) return;
    this.isClosed = true;
    this.dispatchEvent(new Event("close"));
  }

  say(message) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(message) }));
  }

  welcome() {
    this.dispatchEvent(new Event("open"));
    this.say({ type: "ack", id: "page" });
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function connected() {
  FakeSocket.made = [];
  const heard = [];
  const states = [];
  let sessions = 0;
  const hub = new Hub({
    WebSocket: FakeSocket,
    random: () => 0.5,
    subscribe: ["docs.indexed"],
    session: async () => ({ token: `${(sessions += 1)}`.repeat(64), seconds: 100, ws_endpoint: "ws://127.0.0.1:1/ws" }),
    onEvent: (event) => heard.push(event.event),
    onState: (state) => states.push(state),
  });
  const connecting = hub.connect();
  await turn();
  FakeSocket.made[0].welcome();
  await connecting;
  return { hub, heard, states, first: FakeSocket.made[0] };
}

test("connects with the contract's subprotocols and listens to its own replies alone", async (t) => {
  const { hub, first, states } = await connected();
  t.after(() => hub.close());
  assert.deepEqual(first.protocols, ["kite.v1", `kite.token.${"1".repeat(64)}`]);
  const [{ type, events }] = first.sent;
  assert.equal(type, "subscribe");
  assert.equal(events[0], "docs.indexed");
  assert.match(events[1], /^_reply\.web\.[0-9a-f]{16}\.>$/);
  assert.deepEqual(states, ["connecting", "connected"]);
});

test("two tabs never share a reply subject", async (t) => {
  const one = await connected();
  const other = await connected();
  t.after(() => [one, other].forEach(({ hub }) => hub.close()));
  assert.notEqual(one.first.sent[0].events[1], other.first.sent[0].events[1]);
});

test("answers find the question that asked", async (t) => {
  const { hub, first } = await connected();
  t.after(() => hub.close());
  const answers = [hub.request("docs.search", { query: "a" }), hub.request("docs.search", { query: "b" })];
  const [a, b] = first.sent.slice(1);
  first.say({ type: "event", event: b.reply_to, data: "for b" });
  first.say({ type: "event", event: a.reply_to, data: "for a" });
  first.say({ type: "event", event: a.reply_to, data: "late" });
  assert.deepEqual(await Promise.all(answers), ["for a", "for b"]);
});

test("errors carry their code", async (t) => {
  const { hub, first } = await connected();
  t.after(() => hub.close());
  const nobody = hub.request("docs.preview", {});
  first.say({ type: "error", code: "no_responders", message: "m", event_id: first.sent.at(-1).event_id });
  await assert.rejects(nobody, (error) => error instanceof HubError && error.code === "no_responders");
  const refused = hub.request("docs.text", {});
  first.say({ type: "event", event: first.sent.at(-1).reply_to, headers: { "kite-error": "docs_unknown_path" }, data: { message: "m" } });
  await assert.rejects(refused, { code: "docs_unknown_path" });
});

test("a question without answer ends", async (t) => {
  const { hub } = await connected();
  t.after(() => hub.close());
  await assert.rejects(hub.request("docs.search", {}, { seconds: 0.01 }), { code: "request_timeout" });
});

test("after a loss it comes back by itself, later each time, and says so", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const { hub, first, states } = await connected();
  t.after(() => hub.close());
  const asked = hub.request("docs.search", {});
  first.close();
  await assert.rejects(asked, { code: "disconnected" });
  await assert.rejects(hub.request("docs.search", {}), { code: "disconnected" });
  assert.equal(states.at(-1), "disconnected");
  for (const [attempt, pause] of [400, 800, 1600].entries()) {
    mock.timers.tick(pause - 1);
    await turn();
    assert.equal(FakeSocket.made.length, attempt + 1, "not too early");
    mock.timers.tick(1);
    await turn();
    assert.equal(FakeSocket.made.length, attempt + 2);
    if (attempt < 2) {
      FakeSocket.made.at(-1).close();
      await turn();
    }
  }
  FakeSocket.made.at(-1).welcome();
  await turn();
  assert.equal(states.at(-1), "connected");
});

test("renews its token with a second connection before it leaves the first", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const { hub, first, heard, states } = await connected();
  t.after(() => hub.close());
  mock.timers.tick(70_000);
  await turn();
  const second = FakeSocket.made[1];
  assert.equal(second.protocols[1], `kite.token.${"2".repeat(64)}`);
  assert.equal(first.isClosed, false);
  const asked = hub.request("docs.search", {});
  first.say({ type: "event", event: "docs.indexed", data: {} });
  second.welcome();
  await turn();
  assert.equal(first.isClosed, true);
  second.say({ type: "event", event: first.sent.at(-1).reply_to, data: "still answered" });
  assert.equal(await asked, "still answered");
  second.say({ type: "event", event: "docs.indexed", data: {} });
  assert.deepEqual(heard, ["docs.indexed", "docs.indexed"]);
  assert.deepEqual(states, ["connecting", "connected"], "nobody saw it");
});

test("links lead into the folder, out to the web, or nowhere", () => {
  assert.deepEqual(target("b.md#part", "a/x.md"), { path: "a/b.md" });
  assert.deepEqual(target("../b%20c.md", "a/x.md"), { path: "b c.md" });
  assert.deepEqual(target("/b.md", "a/x.md"), { path: "b.md" });
  assert.deepEqual(target("https://x.y", "a"), { href: "https://x.y" });
  for (const href of ["", "#x", "javascript:1", "../../x", "%ff", "data:x"]) assert.equal(target(href, "a/x.md"), null, href);
  assert.equal(addressed("a b/ü#?.md"), "a%20b/%C3%BC%23%3F.md");
});

test("both languages have the same words", () => {
  const shape = (value) => (typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shape(one)])) : typeof value);
  const shapes = LANGUAGES.map((language) => {
    speak(language);
    return shape(words());
  });
  assert.deepEqual(shapes[0], shapes[1]);
  const html = readFileSync(new URL("index.html", page), "utf8");
  for (const [, key] of html.matchAll(/data-(?:text|label|title|placeholder)="(\w+)"/g)) assert.ok(key in words(), key);
  speak("en");
  assert.equal(ago(1000, 1030), "just now");
  assert.equal(ago(1000, 1000 + 7200), "2 h ago");
});
