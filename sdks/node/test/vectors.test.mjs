// The golden vectors of protocol/vectors that concern a module.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Mirror } from "../src/core/mirror.mjs";
import { fromCloudEvent, toCloudEvent } from "../src/wire/cloudevents.mjs";
import { decodeBootLine } from "../src/wire/boot.mjs";
import { covers, matches, patternProblem, subjectProblem } from "../src/wire/subject.mjs";

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../../protocol/vectors/${name}.json`, import.meta.url), "utf8"));
const TOKEN = "0123456789abcdef".repeat(4);

test("boot lines are read, and what is none is not", () => {
  const { boot_valid: valid, boot_invalid: invalid } = vectors("boot_lines");
  for (const { line, life, replica = 0 } of valid) {
    const boot = decodeBootLine(line.replace('"T"', `"${TOKEN}"`));
    assert.deepEqual([boot?.token, boot?.life, boot?.replica], [TOKEN, life, replica], line);
  }
  for (const line of invalid) assert.equal(decodeBootLine(line.replace('"T"', `"${TOKEN}"`)), null, line);
});

test("subjects are told from what is none", () => {
  const { valid, invalid } = vectors("subjects");
  for (const subject of valid) assert.equal(subjectProblem(subject), null, subject);
  for (const { subject, why } of invalid) assert.ok(subjectProblem(subject), `${JSON.stringify(subject)}: ${why}`);
});

test("patterns are told from what is none", () => {
  const { valid, invalid } = vectors("patterns");
  for (const pattern of valid) assert.equal(patternProblem(pattern), null, pattern);
  for (const { pattern, why } of invalid) assert.ok(patternProblem(pattern), `${JSON.stringify(pattern)}: ${why}`);
});

test("patterns match as NATS matches", () => {
  for (const [pattern, subject, does] of vectors("matching").pairs) assert.equal(matches(pattern, subject), does, `${pattern} ${subject}`);
});

test("patterns cover each other as manifests bound them", () => {
  for (const [wide, narrow, does] of vectors("coverage").pairs) assert.equal(covers(wide, narrow), does, `${wide} ${narrow}`);
});

/** A copy of a Registry that holds these records. */
function mirrorOf(records) {
  const mirror = new Mirror();
  mirror.begin();
  for (const record of records) mirror.feed(`event: present\ndata: ${JSON.stringify({ module_id: record.module_id, record })}\n\n`);
  mirror.feed('event: synced\ndata: {"epoch":"e","revision":1}\nid: e:1\n\n');
  assert.ok(mirror.isSynced);
  return mirror;
}

test("the copy of the Registry finds what the Registry finds", () => {
  const { records, queries } = vectors("globs");
  const mirror = mirrorOf(records);
  for (const { query, found, status } of queries) {
    if (status !== undefined) continue; // malformed: the Registry's to refuse
    const fields = Object.fromEntries(new URLSearchParams(query));
    assert.deepEqual(mirror.lookup(fields).map((record) => record.module_id).sort(), [...found].sort(), query);
  }
});

test("the copy of the Registry has what stands at dotted paths", () => {
  const { records, paths } = vectors("dotted_paths");
  const mirror = mirrorOf(records);
  for (const { path, value, found = true, status } of paths) {
    if (status !== undefined) continue;
    if (found) assert.deepEqual(mirror.get(path), value, path);
    else assert.throws(() => mirror.get(path), { code: "not_found" }, path);
  }
});

test("CloudEvents become events and events CloudEvents, and what is no CloudEvent is refused", () => {
  const { sender, in: into, out, invalid } = vectors("cloudevents");
  for (const { why, cloudevent, event } of into) assert.deepEqual(fromCloudEvent(cloudevent, sender), event, why);
  for (const { why, event, cloudevent } of out) {
    assert.deepEqual(toCloudEvent(event), cloudevent, why);
    assert.deepEqual(fromCloudEvent(cloudevent, event.source), event, why);
  }
  for (const { why, cloudevent, code } of invalid) assert.throws(() => fromCloudEvent(cloudevent, sender), { code }, why);
});
