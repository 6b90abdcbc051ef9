// Renders documents to safe HTML: answers docs.preview {path} with {path, kind, html, truncated}.
import { constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
// In a project of your own, where `npm install kite-runtime` has put it: from "kite-runtime".
import { Module, RequestError } from "../../../../sdks/node/src/index.mjs";
import { renderHtml } from "./html.mjs";
import { renderMarkdown } from "./markdown.mjs";
import { renderSource } from "./source.mjs";

const MAX_BYTES = 200_000;

/** The folder: DOCSEARCH_FOLDER, else the documentation of the repository. */
function folder() {
  const named = process.env.DOCSEARCH_FOLDER?.replace(/^~(?=$|\/)/, homedir());
  return resolve(named || `${process.env.KITE_CWD}/../../docs`);
}

/** @param {string} root @param {unknown} path - relative to it */
export async function preview(root, path) {
  const unknown = () => new RequestError("docs_unknown_path", { detail: `no document can be read at ${JSON.stringify(path)}` });
  if (typeof path !== "string" || !path || path.includes("\0")) throw unknown();
  const parts = path.split("/");
  // Neither out of the folder nor to what the watcher does not show.
  if (parts.some((part) => part === "" || part.startsWith("."))) throw unknown();
  const full = resolve(root, path);
  let file;
  try {
    const base = await realpath(root);
    if ((await realpath(full)) !== resolve(base, path) || !full.startsWith(root + sep)) throw unknown();
    file = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    throw unknown();
  }
  try {
    const status = await file.stat();
    if (!status.isFile()) throw unknown();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    const text = decode(buffer.subarray(0, bytesRead)).replace(/\r\n?/g, "\n");
    const [kind, html] = render(path, text);
    return { path, kind, html, truncated: status.size > MAX_BYTES };
  } finally {
    await file.close();
  }
}

function decode(bytes) {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  return new TextDecoder("utf-8").decode(bytes);
}

function render(path, text) {
  if (/\.(md|markdown|mdx|mkd)$/i.test(path)) return ["markdown", renderMarkdown(text)];
  if (/\.x?html?$/i.test(path)) return ["html", renderHtml(text)];
  return ["source", renderSource(text, path)];
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = folder();
  const module = new Module();
  module.tool(
    "preview",
    {
      subject: "docs.preview",
      description: "A document as safe HTML.",
      inputSchema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
    },
    ({ data }) => preview(root, data?.path),
  );
  await module.run();
}
