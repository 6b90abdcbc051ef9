// Every example of the documentation is a module that becomes ready in a real Kite.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { FORMS, PATIENCE, ThrowawayKite, hasKite } from "./throwaway.mjs";

const PAGES = ["../../../docs/reference/sdk-node.md", "../README.md"];
const OWN = FORMS[1]; // Node's own WebSocket: no package is needed

test("the examples of the documentation run", { skip: hasKite ? false : "there is no .venv/bin/kite: ./dev setup", timeout: 4 * PATIENCE * 1000 }, async () => {
  const examples = PAGES.flatMap((page) => {
    const text = readFileSync(new URL(page, import.meta.url), "utf8");
    return [...text.matchAll(/^```js\n([^]*?)^```/gm)].map(([, program]) => program);
  });
  assert.ok(examples.length >= 7, `${examples.length} examples`);
  const manifest = `env:\n  NODE_OPTIONS: "${OWN.options}"\n`;
  const kite = new ThrowawayKite(Object.fromEntries(examples.map((program, n) => [`example_${n}`, { manifest, program }])));
  // As after npm install.
  const link = join(kite.project, "node_modules", "kite-runtime");
  mkdirSync(dirname(link));
  symlinkSync(fileURLToPath(new URL("../", import.meta.url)), link);
  try {
    await kite.up();
    for (const n of examples.keys()) {
      assert.equal((await kite.record(`example_${n}`)).actual_state, "running", kite.log(`example_${n}`));
    }
    assert.deepEqual(await kite.operator.request("greet", { name: "Ada" }), { text: "hello, Ada" });
    const shops = examples.findIndex((program) => program.includes("shop.price"));
    assert.match(kite.log(`example_${shops}`), /apples cost 3[^]*no_such_fruit: no price for 'pear'/);
    const clouds = examples.findIndex((program) => program.includes("toCloudEvent"));
    assert.match(kite.log(`example_${clouds}`), /from https:\/\/github\.com\/kite/);
    const stopped = await kite.kite("down");
    assert.equal(stopped.status, 0, stopped.stderr);
    for (const n of examples.keys()) {
      const { exit_code: status } = kite.steps(`example_${n}`).findLast((step) => step.event === "exited");
      assert.equal(status, 0, kite.log(`example_${n}`));
    }
  } finally {
    await kite.down();
  }
});
