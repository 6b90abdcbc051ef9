// The conformance module of Kite's Node SDK; protocol/conformance.md says what it has to do.
//
//     kite conformance -- node main.mjs
import { Module, RequestError } from "../../../sdks/node/src/index.mjs";
import { Mirror } from "../../../sdks/node/src/core/mirror.mjs";
import { decodeBootLine } from "../../../sdks/node/src/wire/boot.mjs";
import { fromCloudEvent, toCloudEvent } from "../../../sdks/node/src/wire/cloudevents.mjs";
import { covers, matches, patternProblem, subjectProblem } from "../../../sdks/node/src/wire/subject.mjs";

const NAME = process.env.KITE_MODULE;
const module = new Module();
let go;
const toldToGo = new Promise((resolve) => {
  go = resolve;
});

/** What it resolves to as `data`, or the code of what it threw as `error`. */
async function told(work) {
  try {
    return { data: (await work()) ?? null };
  } catch (failed) {
    if (!failed.code) throw failed;
    return { error: failed.code };
  }
}

module.handle(`${NAME}.echo`, (request) => request.data);
module.handle(`${NAME}.report`, () => ({ pid: process.pid, life: module.life }));
module.handle(`${NAME}.fail`, () => {
  throw new RequestError("no_such_thing", { detail: "this request always fails" });
});
module.handle(`${NAME}.publish`, async ({ data: { subject, count } }) => {
  for (let number = 0; number < count; number++) {
    module.publish(subject, number);
    await module.drained();
  }
});
module.handle(`${NAME}.try`, async ({ data: { subject } }) => {
  const { error = null } = await told(() => module.publishAcked(subject));
  return { error };
});
module.handle(`${NAME}.ask`, ({ data: { subject, data, timeout } }) =>
  told(() => module.request(subject, data, { timeout })),
);
module.handle(`${NAME}.wait`, () => toldToGo);
module.on(`${NAME}.go`, () => go());
module.on(`${NAME}.in`, (event) => module.publish(`${NAME}.out`, event.data));
module.on(`${NAME}.exit`, (event) => process.exit(event.data.status));
module.on(`${NAME}.keep`, async ({ data: { subject, count } }) => {
  for (let number = 0; number < count; number++) await module.publishAcked(subject, number, { timeout: 60 });
});
module.on(`${NAME}.work`, { durable: "conformance", start: "all" }, (event) => {
  if ("exit" in event.data && event.attempt === 1) process.exit(event.data.exit);
  module.publish(`${NAME}.done`, { n: event.data.n, attempt: event.attempt });
});

// -- the golden vectors --------------------------------------------------------------------------

/** What the SDK answers look-ups from, holding these. */
function copyOf(records) {
  const mirror = new Mirror();
  mirror.begin();
  for (const record of records) {
    mirror.feed(`event: present\ndata: ${JSON.stringify({ module_id: record.module_id, record })}\n\n`);
  }
  return mirror;
}

function atPath({ records, path }) {
  try {
    return { found: true, value: copyOf(records).get(path) };
  } catch {
    return { found: false };
  }
}

function bootLine({ line }) {
  const found = decodeBootLine(line);
  return found && { token: found.token, life: found.life, replica: found.replica };
}

function cloudEvent({ event, cloudevent, sender }) {
  if (event !== undefined) return toCloudEvent(event);
  try {
    return fromCloudEvent(cloudevent, sender);
  } catch (refused) {
    return { error: refused.code };
  }
}

const VECTORS = {
  subjects: ({ subject }) => subjectProblem(subject) === null,
  patterns: ({ pattern }) => patternProblem(pattern) === null,
  matching: ({ pattern, subject }) => matches(pattern, subject),
  coverage: ({ wide, narrow }) => covers(wide, narrow),
  boot_lines: bootLine,
  globs: ({ records, query }) => copyOf(records).lookup(query).map((record) => record.module_id),
  dotted_paths: atPath,
  cloudevents: cloudEvent,
};
module.handle(`${NAME}.vector`, ({ data: { kind, case: row } }) => VECTORS[kind](row));

module.register({
  metadata: {
    conformance: {
      language: "node",
      features: ["acked", "concurrent", "durable"],
      vectors: Object.keys(VECTORS),
    },
  },
});
await module.run();
