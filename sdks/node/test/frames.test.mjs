// The vectors of frames, sent to a real Hub over the SDK's connection: each is answered as they say.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { HubConnection } from "../src/connection.mjs";
import { decodeHubFrame } from "../src/wire/frame.mjs";
import { PATIENCE, SDK, ThrowawayKite, hasKite, until } from "./throwaway.mjs";

const VECTORS = JSON.parse(readFileSync(new URL("../../../protocol/vectors/frames.json", import.meta.url), "utf8"));

describe("frames", { skip: hasKite ? false : "there is no .venv/bin/kite: ./dev setup", timeout: 4 * PATIENCE * 1000 }, () => {
  const program = `import { Module } from "${SDK}/index.mjs";
const module = new Module();
module.handle("sender.token", () => module.token);
await module.run();`;
  const kite = new ThrowawayKite({ sender: { manifest: "", program } });
  before(async () => kite.up());
  after(async () => kite.down());

  /** A connection on which every answer is heard, whoever waits for it. */
  async function listening() {
    const errors = [];
    const token = await kite.operator.request("sender.token");
    const connection = await HubConnection.open(kite.api.ws_endpoint, token, { onEvent: () => {} });
    connection.onError = (frame) => errors.push(frame);
    return { connection, errors };
  }

  test("a valid one is acknowledged with its id or event_id", async () => {
    const { connection } = await listening();
    for (const { why, text, id, event_id: eventId } of VECTORS.valid) {
      if (id === undefined && eventId === undefined) continue;
      const ack = await connection.ask(id ?? eventId, text.replaceAll("{self}", "sender"), PATIENCE).catch((failure) => assert.fail(`${why}: ${failure}`));
      assert.equal(ack.id ?? ack.event_id, id ?? eventId, why);
    }
    await connection.close();
  });

  test("an invalid one is refused with the code, and the connection stays", async () => {
    const { connection, errors } = await listening();
    for (const { why, text, code, id, event_id: eventId } of VECTORS.invalid) {
      errors.length = 0;
      connection.send(text.replaceAll("{self}", "sender"));
      const error = await until(why, () => errors[0]);
      assert.equal(error.code, code, why);
      if (id !== undefined || eventId !== undefined) assert.equal(error.id ?? error.event_id, id ?? eventId, why);
    }
    assert.ok(connection.isOpen);
    await connection.close();
  });

  test("who waits until it is drained has been taken by the Hub, whatever piled up", async () => {
    const { connection, errors } = await listening();
    const frame = JSON.stringify({ type: "event", event: "large", data: "x".repeat(500_000) });
    for (let n = 0; n < 100; n += 1) connection.send(frame);
    await connection.drained();
    assert.ok(connection.isWritable);
    assert.deepEqual(errors, []);
    await connection.close();
    await connection.drained(); // at once: all is over
    assert.throws(() => connection.send(frame), { code: "connection_lost" });
  });

  test("a lost connection tells everybody who waits", async () => {
    const { connection } = await listening();
    const asked = connection.unsubscribe({ patterns: ["a"], queue: null, durable: null });
    connection.abort();
    await assert.rejects(asked, { code: "connection_lost" });
    assert.ok(!connection.isOpen);
  });

  test("whoever is refused the connection is told why", async () => {
    const open = (endpoint, token) => HubConnection.open(endpoint, token, { onEvent: () => {}, timeout: PATIENCE });
    const { ws_endpoint: endpoint, token, url } = kite.api;
    await assert.rejects(open(endpoint, "0".repeat(64)), { code: "unauthorized" });
    await assert.rejects(open(endpoint, "no token"), { code: "unauthorized" });
    await assert.rejects(open("ws://127.0.0.1:1/ws", token), { code: "unreachable" });
    await assert.rejects(open(url.replace("http", "ws"), token), { name: "PeerError" }); // a Launcher is no Hub
  });
});

test("what is no frame of the Hub's is none", () => {
  for (const text of ["", "{", "null", "[]", '"ack"', "{}", '{"type":"weather"}', '{"type":"event"}', '{"type":"event","event":5}', '{"type":"error"}', '{"type":"gap"}', '{"type":"event","event":"a","event_id":5}', '{"type":"event","event":"a","headers":null}', '{"type":"toString"}']) {
    assert.equal(decodeHubFrame(text), null, text);
  }
  assert.deepEqual(decodeHubFrame('{"type":"event","event":"a","later":[1]}'), { type: "event", event: "a", later: [1] });
});
