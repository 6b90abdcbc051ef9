// HTML to safe HTML: a list of allowed elements, everything else left out. What is let through is
// written anew, tag by tag, so nothing of the original's syntax survives.
import { escape, safeTarget } from "./escape.mjs";

const ELEMENTS = new Set(
  ("a abbr b blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption figure" +
    " h1 h2 h3 h4 h5 h6 hr i img ins kbd li main mark ol p pre q s samp section small span strong sub summary sup" +
    " table tbody td tfoot th thead tr tt u ul var article aside header footer nav").split(" "),
);
const VOID = new Set(["br", "hr", "img", "col"]);
/** Elements whose content is no text to read. */
const SILENT = new Set(
  "script style template noscript iframe frame frameset object embed applet svg math head title textarea select option button form input canvas audio video map xmp plaintext noembed noframes".split(" "),
);
/** Of these the end tag alone ends it, whatever stands between looks like. */
const RAW = new Set("script style textarea title xmp iframe noembed noframes noscript".split(" "));
/** Of the silent ones, those that have no content. */
const EMPTY = new Set("input embed frame".split(" "));
const MAX_OPEN = 200;

const ATTRIBUTE = /([^\s"'<>/=]{1,40})\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+))/g;
const NAMED = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", colon: ":", tab: "\t", newline: "\n", copy: "©", mdash: "—", ndash: "–", hellip: "…", lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", middot: "·", times: "×", rarr: "→", larr: "←", para: "¶", sect: "§" };

/** Text with its character references resolved. */
export function unescape(text) {
  return text.replace(/&(?:#x([\da-f]{1,6})|#(\d{1,7})|([a-z]{2,8}));?/gi, (whole, hex, decimal, name) => {
    if (name) return NAMED[name] ?? NAMED[name.toLowerCase()] ?? whole;
    const code = hex ? Number.parseInt(hex, 16) : Number.parseInt(decimal, 10);
    return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : "\ufffd";
  });
}

/** @param {string} source @returns {string} safe HTML */
export function renderHtml(source) {
  let html = "";
  const open = [];
  let silent = null;
  let depth = 0;
  const lower = source.toLowerCase();
  for (let at = 0; at < source.length; ) {
    const next = source.indexOf("<", at);
    if (next !== at) {
      const end = next < 0 ? source.length : next;
      if (!silent) html += escape(unescape(source.slice(at, end)));
      at = end;
      continue;
    }
    const tag = readTag(source, at);
    if (tag === null) break; // it does not end: a browser shows nothing of it either
    at = tag.end;
    const { name, isEnd, attributes } = tag;
    if (!name) {
      if (tag.text && !silent) html += escape(tag.text);
    } else if (silent) {
      if (name === silent) depth += isEnd ? -1 : 1;
      if (depth <= 0) silent = null;
    } else if (RAW.has(name)) {
      if (isEnd) continue;
      const end = lower.indexOf(`</${name}`, at);
      if (end < 0) break;
      at = end;
    } else if (SILENT.has(name)) {
      if (!isEnd && !EMPTY.has(name) && !attributes.endsWith("/")) [silent, depth] = [name, 1];
    } else if (!ELEMENTS.has(name)) {
      // its text stays
    } else if (isEnd) {
      const place = open.lastIndexOf(name);
      if (place >= 0) while (open.length > place) html += `</${open.pop()}>`;
    } else if (VOID.has(name)) html += startTag(name, attributes);
    else if (open.length < MAX_OPEN) {
      html += startTag(name, attributes);
      open.push(name);
    }
  }
  while (open.length) html += `</${open.pop()}>`;
  return html;
}

const NAME = /<(\/?)([a-zA-Z][^\s/>]{0,40})/y;

/** What begins with the `<` at a place; null when it has no end. One pass, whatever stands there. */
function readTag(source, at) {
  if (source.startsWith("<!--", at)) {
    const end = source.indexOf("-->", at + 4);
    return end < 0 ? null : { end: end + 3 };
  }
  if (source[at + 1] === "!" || source[at + 1] === "?") {
    const end = source.indexOf(">", at);
    return end < 0 ? null : { end: end + 1 };
  }
  NAME.lastIndex = at;
  const match = NAME.exec(source);
  if (!match) return { end: at + 1, text: "<" };
  let end = NAME.lastIndex;
  for (let quote = null; ; end += 1) {
    if (end >= source.length) return null;
    const sign = source[end];
    if (quote) quote = sign === quote ? null : quote;
    else if (sign === ">") break;
    else if ((sign === '"' || sign === "'") && /[=\s]/.test(source[end - 1])) quote = sign;
  }
  return {
    end: end + 1,
    name: match[2].toLowerCase(),
    isEnd: match[1] === "/",
    attributes: source.slice(NAME.lastIndex, end),
  };
}

const ALLOWED = { a: ["href"], img: ["src", "alt"], td: ["colspan", "rowspan"], th: ["colspan", "rowspan"], ol: ["start"] };

function startTag(name, attributes) {
  let tag = `<${name}`;
  const seen = new Set();
  for (const [, rawKey, double, single, bare] of attributes.matchAll(ATTRIBUTE)) {
    const key = rawKey.toLowerCase();
    if (!ALLOWED[name]?.includes(key) || seen.has(key)) continue;
    seen.add(key);
    let value = unescape(double ?? single ?? bare ?? "");
    if (key === "href" || key === "src") value = safeTarget(value);
    else if (key !== "alt" && !/^\d{1,4}$/.test(value)) value = null;
    if (value !== null) tag += ` ${key}="${escape(value)}"`;
  }
  return `${tag}>`;
}
