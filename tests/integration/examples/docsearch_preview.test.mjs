// What the previews render is safe whatever the document holds, and comes in time.
import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const modules = new URL("../../../examples/docsearch/modules/preview/", import.meta.url);
const load = (name) => import(new URL(name, modules));
const { renderMarkdown } = await load("markdown.mjs");
const { renderHtml } = await load("html.mjs");
const { renderSource, highlight } = await load("source.mjs");
const { safeTarget } = await load("escape.mjs");
const { preview } = await load("main.mjs");

const ELEMENTS =
  /^(?:a|abbr|article|aside|b|blockquote|br|caption|center|cite|code|col|colgroup|dd|del|details|dfn|div|dl|dt|em|figcaption|figure|footer|h[1-6]|header|hr|i|img|ins|kbd|li|main|mark|nav|ol|p|pre|q|s|samp|section|small|span|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|var)$/;
const ATTRIBUTE = /^ (?:href|src|alt|start|colspan|rowspan|class|id)="[^"<>]*"/;

/** Reads the HTML by the letter: every `<` begins an allowed element with allowed attributes. */
function assertSafe(html) {
  for (let at = html.indexOf("<"); at >= 0; at = html.indexOf("<", at + 1)) {
    const [whole, , name] = /^<(\/?)([a-z0-9]+)/.exec(html.slice(at, at + 40)) ?? [];
    assert.ok(whole && ELEMENTS.test(name), `element at ${JSON.stringify(html.slice(at, at + 60))}`);
    let rest = html.slice(at + whole.length);
    for (let match = ATTRIBUTE.exec(rest); match; match = ATTRIBUTE.exec(rest)) {
      const link = /^ (?:href|src)="([^"]*)"/.exec(match[0]);
      if (link) assert.doesNotMatch(link[1].replace(/&[^;]*;|\s/g, ""), /^(?:javascript|data|vbscript|file|blob):/i);
      rest = rest.slice(match[0].length);
    }
    assert.equal(rest[0], ">", `tag at ${JSON.stringify(html.slice(at, at + 60))}`);
  }
}

const ATTACKS = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "<svg onload=alert(1)><script>alert(1)</script></svg>",
  "[x](javascript:alert(1))",
  "[x](java\tscript:alert(1))",
  "[x](&#106;avascript:alert(1))",
  "[x]( data:text/html;base64,AAAA)",
  "![x\" onerror=\"alert(1)](y)",
  "![x](y\"onerror=\"alert(1))",
  "<a href='java&#10;script:alert(1)'>x</a>",
  "<a href=\"jav&Tab;ascript:alert(1)\">x</a>",
  "<a href=javascript&colon;alert(1)>x</a>",
  "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">",
  "<textarea><img src=x onerror=alert(1)></textarea>",
  "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
  "<style><!--</style><img src=x onerror=alert(1)>-->",
  "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
  "<p style=\"background:url(javascript:1)\" class=\"x\" id=y onclick=z>t</p>",
  "```\"><script>alert(1)</script>\nx\n```",
  "`<script>`",
  "<https://x.y/\"onmouseover=\"alert(1)>",
  "[x]: javascript:alert(1)\n\n[x]",
  "|<script>|\n|---|\n|<img onerror=x>|",
  "\ue0000\ue001 \ue0009\ue001",
  "<!-- --!><img src=x onerror=alert(1)> -->",
  "<scr<script>ipt>alert(1)</script>",
  "<a href=\"x\" href=\"javascript:alert(1)\">x</a>",
  "<base href=//evil><form action=//evil><input name=x><button>b</button></form>",
  "<x:script>alert(1)</x:script><SCRIPT/SRC=//evil></SCRIPT>",
];

test("no attack survives, in any of the renderers", () => {
  for (const attack of ATTACKS) {
    for (const text of [attack, `# ${attack}`, `- ${attack}`, `**${attack}**`, `[${attack}](${attack})`]) {
      assertSafe(renderMarkdown(text));
      assertSafe(renderHtml(text));
      assertSafe(renderSource(text, "x.py"));
      assertSafe(renderSource(text, "x.js"));
    }
  }
});

test("pieces of attacks in any order are safe too", () => {
  // A generator of its own, so that a failure comes again.
  let state = 20_241_122;
  const random = (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state % below;
  };
  const pieces = ATTACKS.flatMap((attack) => attack.split(/(?=[<>"'`[\]()!*])/)).concat(["\n", "\n\n", "    ", "- ", "> ", "|", "---\n", "\0"]);
  for (let round = 0; round < 3000; round += 1) {
    const text = Array.from({ length: 2 + random(14) }, () => pieces[random(pieces.length)]).join("");
    assertSafe(renderMarkdown(text));
    assertSafe(renderHtml(text));
    assertSafe(renderSource(text, "x.ts"));
  }
});

test("hostile documents take no time", () => {
  for (const piece of ["[", "![", "*", "**a ", "_a", "`", "``a`", "<", "<a ", "<!--", "<a href=\"", "> ", "- ", "  - ", "|", "# ", "\\", "a  \n", "http://", "&#", "~~a", "(", "](", "\n\n", "```\n", "/*", "\"", "'''"]) {
    const text = piece.repeat(Math.ceil(200_000 / piece.length));
    const begun = process.cpuUsage();
    renderMarkdown(text);
    renderMarkdown(text.slice(0, 19_000));
    renderHtml(text);
    renderSource(text, "x.py");
    renderSource(text, "x.js");
    const spent = process.cpuUsage(begun).user / 1000;  // whatever else the machine does
    assert.ok(spent < 5000, `${JSON.stringify(piece)} took ${spent} ms of a processor`);
  }
});

test("renders what people write", () => {
  const cases = [
    ["# Title #", "<h1>Title</h1>"],
    ["Title\n---", "<h2>Title</h2>"],
    ["a *b* **c** `d<e>` ~~f~~", "<p>a <em>b</em> <strong>c</strong> <code>d&lt;e&gt;</code> <del>f</del></p>"],
    ["snake_case_name and 2 * 3 * 4", "<p>snake_case_name and 2 * 3 * 4</p>"],
    ["[a](b.md) ![p](i.png)", '<p><a href="b.md">a</a> <img src="i.png" alt="p"></p>'],
    ["[`c` \\* *d*](b\\_c.md)", '<p><a href="b_c.md"><code>c</code> * <em>d</em></a></p>'],
    ["[a][b]\n\n[b]: https://x.y", '<p><a href="https://x.y">a</a></p>'],
    ["see https://x.y/z.", '<p>see <a href="https://x.y/z">https://x.y/z</a>.</p>'],
    ["- a\n- b\n  1. c", "<ul><li>a</li><li>b<ol><li>c</li></ol></li></ul>"],
    ["3. a", '<ol start="3"><li>a</li></ol>'],
    ["- [ ] a\n- [x] b", "<ul><li>☐ a</li><li>☑ b</li></ul>"],
    ["> a\n> b", "<blockquote><p>a\nb</p></blockquote>"],
    ["|a|b|\n|-|-|\n|1|2|", "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"],
    ["```\n<x>\n```", "<pre><code>&lt;x&gt;</code></pre>"],
    ["<!-- a -->\n```\n<x>\n```", "<pre><code>&lt;x&gt;</code></pre>"],
    ["<!-- a -->\n# b", "<h1>b</h1>"],
    ["<!-- a\n\n```\nb -->\n- c", "<ul><li>c</li></ul>"],
    ["a\n<!-- b --> c", "<p>a\n c</p>"],
    ["<!-- a", ""],
    ["<div>\n\n```\n<x>\n```\n\n</div>", "<pre><code>&lt;x&gt;</code></pre>"],
    ["\\*a\\* ", "<p>*a*</p>"],
    ["***", "<hr>"],
    ["你好**世界**。", "<p>你好<strong>世界</strong>。</p>"],
  ];
  for (const [markdown, html] of cases) assert.equal(renderMarkdown(markdown).trim().replace(/ <\/p>/, "</p>"), html);
});

test("source keeps every character and has a line for each line", () => {
  const code = 'def f(x):  # "not a string"\n    """doc\n    string"""\n    return x < 1 & 2\n';
  const shown = (html) => html.replace(/<[^>]*>/g, "").replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&quot;/g, '"').replace(/&#39;/g, "'").replace(/&amp;/g, "&");
  assert.equal(shown(highlight(code, "py")), code);
  assert.match(highlight(code, "py"), /<span class="t-comment"># &quot;not a string&quot;<\/span>/);
  const html = renderSource(code, "x.py");
  assert.equal(html.match(/class="line"/g).length, 5);
  assert.equal((html.match(/<span/g) ?? []).length, (html.match(/<\/span>/g) ?? []).length);
});

test("links that may stand", () => {
  for (const good of ["https://x", "http://x", "mailto:a@b", "a/b.md", "../x.md", "#part", "/x"]) assert.equal(safeTarget(good), good);
  for (const bad of ["javascript:x", "JaVaScRiPt:x", " java\nscript:x", "data:x", "file:///etc", "vbscript:x", "//evil", "\\\\evil", "\u200bjavascript:x"]) assert.equal(safeTarget(bad), null, bad);
});

test("reads documents of the folder and nothing else", async () => {
  const top = mkdtempSync(join(tmpdir(), "docsearch-preview-"));
  try {
    const root = join(top, "root");
    mkdirSync(join(root, "sub"), { recursive: true });
    mkdirSync(join(root, ".git"));
    writeFileSync(join(top, "secret.md"), "secret");
    writeFileSync(join(root, "sub", "a.md"), "# A");
    writeFileSync(join(root, ".git", "config"), "secret");
    writeFileSync(join(root, "long.txt"), "x".repeat(300_000));
    symlinkSync(join(top, "secret.md"), join(root, "link.md"));
    symlinkSync(top, join(root, "out"));
    assert.deepEqual(await preview(root, "sub/a.md"), { path: "sub/a.md", kind: "markdown", html: "<h1>A</h1>", truncated: false });
    assert.equal((await preview(root, "long.txt")).truncated, true);
    for (const path of ["../secret.md", "sub/../../secret.md", join(top, "secret.md"), "link.md", "out/secret.md", ".git/config", "sub", "", "nope.md", "a\0b", "./sub/a.md", null, 7, undefined]) {
      await assert.rejects(preview(root, path), { code: "docs_unknown_path" }, String(path));
    }
  } finally {
    rmSync(top, { recursive: true });
  }
});
