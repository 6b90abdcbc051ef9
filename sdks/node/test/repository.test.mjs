// What the package repeats of the repository is the same there.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { KINDS } from "../src/errors.mjs";
import { MAX_FRAME_BYTES, MAX_SUBJECT_BYTES } from "../src/wire/limits.mjs";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

test("every error of the SDK stands in protocol/errors.json, in the same words", () => {
  const known = JSON.parse(read("../../../protocol/errors.json"));
  for (const [code, { message, hint, exit }] of Object.entries(KINDS)) {
    const { message: said, hint: told = "", exit: status = 1 } = known[code] ?? {};
    assert.deepEqual({ message, hint, exit }, { message: said, hint: told, exit: status }, code);
  }
});

test("every code that the sources throw has its words", () => {
  const sources = readdirSync(new URL("../src/", import.meta.url), { recursive: true }).filter((name) => name.endsWith(".mjs"));
  assert.ok(sources.length > 40);
  for (const name of sources) {
    for (const [, code] of read(`../src/${name}`).matchAll(/new (?:(?:Config|Request|Peer|Module)Error|Unavailable)\("([a-z_]+)"/g)) {
      assert.ok(code in KINDS, `${name}: ${code}`);
    }
  }
});

test("the limits are those of the protocol", () => {
  const { wire } = JSON.parse(read("../../../protocol/limits.json"));
  assert.deepEqual([MAX_FRAME_BYTES, MAX_SUBJECT_BYTES], [wire.max_frame_bytes, wire.max_subject_bytes]);
});

test("both packages have one version", () => {
  const { version } = JSON.parse(read("../package.json"));
  assert.equal(/__version__ = "(.*)"/.exec(read("../../../src/kite/version.py"))?.[1], version);
});

test("the licence is the repository's", () => {
  assert.equal(read("../LICENSE"), read("../../../LICENSE"));
});
