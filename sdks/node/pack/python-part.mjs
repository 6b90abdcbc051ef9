// What `npm pack` puts beside the SDK: the sources of Kite itself, as pip takes them. Whatever git does not
// know (caches, logs, what was built) is not in it.
//
//   node pack/python-part.mjs make | remove
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const PARTS = ["LICENSE", "README.md", "hatch_build.py", "pyproject.toml", "src/kite", "protocol"];
const TARGET = join(HERE, "python");

const { version } = JSON.parse(readFileSync(join(HERE, "package.json"), "utf8"));

function make() {
  const name = `kite_runtime-${version}`;
  const top = mkdtempSync(join(tmpdir(), "kite-pack-"));
  try {
    const listed = execFileSync("git", ["ls-files", "-z", ...PARTS], { cwd: REPOSITORY, encoding: "utf8" });
    for (const path of listed.split("\0").filter(Boolean)) {
      const to = join(top, name, path);
      mkdirSync(dirname(to), { recursive: true });
      // src/kite/protocol is a link to what lies beside src.
      cpSync(join(REPOSITORY, path), to, { recursive: true, dereference: true });
    }
    mkdirSync(TARGET, { recursive: true });
    execFileSync("tar", ["-czf", join(TARGET, `${name}.tar.gz`), "-C", top, name]);
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

switch (process.argv[2]) {
  case "make":
    make();
    break;
  case "remove":
    rmSync(TARGET, { recursive: true, force: true });
    break;
  default:
    throw new Error(`make or remove, not ${process.argv[2]}`);
}
