// What a module decides about its conversation with Kite.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Session, finalStatus } from "../src/core/session.mjs";
import { PeerError, RequestError, Unavailable } from "../src/errors.mjs";

const away = { is: "failed", error: new Unavailable("unreachable", { url: "x", detail: "y" }) };
const told = (session, ...facts) => facts.flatMap((fact) => session.handle(fact, 0, 0.5));

test("joins, starts once, is ready, and after a loss is ready again without starting", () => {
  const session = new Session();
  assert.deepEqual(told(session, { is: "begun" }), [{ do: "join", delay: 0 }]);
  assert.deepEqual(told(session, { is: "joined" }), [{ do: "run_start_handlers" }]);
  assert.deepEqual(told(session, { is: "started" }), [{ do: "say_ready" }]);
  assert.equal(told(session, { is: "lost" })[0].do, "join");
  assert.deepEqual(told(session, { is: "joined" }), [{ do: "say_ready" }]);
  assert.equal(session.losses, 1);
});

test("a loss while the start handlers run neither starts them again nor is ready before they are through", () => {
  const session = new Session();
  told(session, { is: "begun" }, { is: "joined" }, { is: "lost" });
  assert.deepEqual(told(session, { is: "joined" }), []);
  assert.deepEqual(told(session, { is: "started" }), [{ do: "say_ready" }]);
});

test("start handlers that end while the connection is lost make it ready when it has joined again", () => {
  const session = new Session();
  told(session, { is: "begun" }, { is: "joined" }, { is: "lost" });
  assert.deepEqual(told(session, { is: "started" }), []);
  assert.deepEqual(told(session, { is: "joined" }), [{ do: "say_ready" }]);
});

test("what is away is tried again, at growing distances up to a second", () => {
  const session = new Session();
  told(session, { is: "begun" });
  const delays = Array.from({ length: 10 }, () => told(session, away)[0].delay);
  for (const [at, delay] of delays.entries()) assert.ok(at === 0 || delay >= delays[at - 1]);
  assert.ok(delays[0] < 0.02 && delays[9] <= 1, String(delays));
});

test("a dead token is final with status 6, a refusal with 2", () => {
  assert.deepEqual(told(new Session(), { is: "failed", error: new PeerError("unauthorized") }).map(({ status }) => status), [6]);
  assert.equal(finalStatus(new RequestError("permission_denied")), 2);
  for (const mendable of [new Unavailable("not_ready"), new RequestError("not_found"), new PeerError("handshake_failed")]) {
    assert.equal(finalStatus(mendable), null, mendable.code);
  }
});

test("a heartbeat that fails while it is ready changes nothing, and what is stopping hears nothing", () => {
  const session = new Session();
  told(session, { is: "begun" }, { is: "joined" }, { is: "started" });
  assert.deepEqual(told(session, away), []);
  assert.deepEqual(told(session, { is: "stop_asked", status: 3 }), [{ do: "leave", status: 3 }]);
  assert.deepEqual(told(session, { is: "lost" }, { is: "joined" }, { is: "stop_asked", status: 0 }), []);
});
