// Source code with its comments, strings, numbers and keywords told apart. One rough grammar a
// family of languages: enough to read by, never wrong enough to hide a character.
import { escape } from "./escape.mjs";

const WORDS = {
  python:
    "and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield None True False self",
  c: "abstract as async await auto bool boolean break byte case catch char class const constexpr continue default defer delete do double else enum export extends extern false final finally float fn for from func function go goto if impl implements import in inline int interface let long loop match mod mut namespace new nil null nullptr of operator override package private protected pub public return self short signed sizeof static struct super switch template this throw trait true try type typedef typename typeof undefined union unsigned use using var virtual void volatile where while yield",
  shell:
    "if then else elif fi for in do done while until case esac function return local export set unset exec exit read shift trap true false echo cd",
  sql: "select from where and or not insert into values update set delete create table index view drop alter join left right inner outer on as group by order limit offset having union all distinct null is in exists primary key begin commit rollback",
  plain: "true false null yes no on off",
};
const COMMENT = {
  python: "#[^\\n]*",
  shell: "(?<![^\\s;])#[^\\n]*",
  c: "//[^\\n]*|/\\*[^]*?(?:\\*/|$)",
  sql: "--[^\\n]*|/\\*[^]*?(?:\\*/|$)",
  plain: "(?<![^\\s])[#;][^\\n]*|<!--[^]*?(?:-->|$)",
};
const STRING = {
  python: "(?:\"\"\"[^]*?(?:\"\"\"|$)|'''[^]*?(?:'''|$))",
  c: "`(?:[^`\\\\]|\\\\[^]){0,20000}`",
};
const FAMILY = {};
const family = (name, endings) => endings.split(" ").forEach((ending) => (FAMILY[ending] = name));
family("python", "py pyi rb pl r jl ex exs nim tcl cmake python ruby");
family("shell", "sh bash zsh fish makefile make mk dockerfile containerfile shell console");
family("sql", "sql lua hs");
family("plain", "toml ini cfg conf properties yaml yml xml xsd json jsonl json5 html vue svelte");
// Everything else is written the way C is.

const LONG_LINE = /[^\n]{5001}/;
const grammars = new Map();

function grammar(name) {
  if (!grammars.has(name)) {
    const strings = [STRING[name], "\"(?:[^\"\\\\\\n]|\\\\.){0,5000}\"", "'(?:[^'\\\\\\n]|\\\\.){0,5000}'"].filter(Boolean);
    const words = WORDS[name].split(" ").join("|");
    const pattern = [
      `(?<comment>${COMMENT[name]})`,
      `(?<string>${strings.join("|")})`,
      `(?<number>\\b(?:0[xob][\\da-f_]+|\\d[\\d_]*(?:\\.\\d+)?(?:e[+-]?\\d+)?)\\b)`,
      `(?<word>(?<![\\w.$-])(?:${words})(?![\\w-]))`,
      `(?<name>(?<![\\w$])[A-Za-z_$][\\w$]{0,100}(?=\\())`,
    ].join("|");
    grammars.set(name, new RegExp(pattern, name === "sql" ? "gi" : "g"));
  }
  return grammars.get(name);
}

/**
 * Code as HTML: `<span class="t-comment">…` and the like, everything else escaped.
 * @param {string} code
 * @param {string} language - a file's ending, or what stands behind a fence
 */
export function highlight(code, language) {
  if (LONG_LINE.test(code)) return escape(code); // written by a program, for a program
  const name = FAMILY[language.toLowerCase()] ?? "c";
  let html = "";
  let at = 0;
  for (const match of code.matchAll(grammar(name))) {
    const kind = Object.keys(match.groups).find((group) => match.groups[group] !== undefined);
    html += escape(code.slice(at, match.index));
    html += `<span class="t-${kind}">${escape(match[0])}</span>`;
    at = match.index + match[0].length;
  }
  return html + escape(code.slice(at));
}

/** Lines of code with their numbers: `<div class="line"><span class="n">1</span>…`. */
export function renderSource(code, path) {
  const ending = path.toLowerCase().split(/[./]/).pop();
  const lines = splitSpans(highlight(code, ending));
  return `<div class="source">${lines
    .map((line, index) => `<div class="line" id="line-${index + 1}"><span class="n">${index + 1}</span>${line || " "}</div>`)
    .join("")}</div>`;
}

/** Highlighted HTML cut into lines; a span that goes over several is closed and opened again. */
function splitSpans(html) {
  let open = "";
  return html.split("\n").map((line) => {
    const whole = open + line;
    for (const tag of line.matchAll(/<span[^>]*>|<\/span>/g)) open = tag[0] === "</span>" ? "" : tag[0];
    return open ? `${whole}</span>` : whole;
  });
}
