// Markdown to safe HTML: what people write in READMEs (CommonMark's common parts, GitHub's tables,
// task lists and strikethrough). HTML inside Markdown is shown as text or left out, never passed on.
import { escape, safeTarget } from "./escape.mjs";
import { highlight } from "./source.mjs";

const MAX_NESTING = 20;
// Beyond these a text is shown as it is: nobody writes so, and no pattern is given time to burn.
const MAX_LINE = 2000;
const MAX_PARAGRAPH = 20_000;

/** @param {string} text @returns {string} safe HTML */
export function renderMarkdown(text) {
  const lines = text.replace(/\t/g, "    ").split("\n");
  const definitions = new Map();
  const kept = withoutFrontMatter(lines).filter((line) => !defines(line, definitions));
  return blocks(kept, definitions, 0);
}

function withoutFrontMatter(lines) {
  if (lines[0]?.trim() !== "---") return lines;
  const end = lines.findIndex((line, index) => index > 0 && /^(---|\.\.\.)\s*$/.test(line));
  if (end < 0) return lines;
  return ["```yaml", ...lines.slice(1, end), "```", "", ...lines.slice(end + 1)];
}

function defines(line, definitions) {
  const match = /^ {0,3}\[([^\]^][^\]]*)\]:\s*<?([^\s>]+)>?(?:\s+["'(].*["')])?\s*$/.exec(line);
  if (match) definitions.set(match[1].toLowerCase(), match[2]);
  return match !== null;
}

const FENCE = /^( {0,3})(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})(?=\s|$)(.*)$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(\s+|$)(.*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const DIVIDER = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const COMMENT = /^ {0,3}<!--/;
const HTML_BLOCK = /^ {0,3}<(?:!--|\/?(?:div|p|a|img|br|hr|table|tr|td|th|details|summary|center|h[1-6]|picture|source|span|sub|sup|b|i|em|strong|kbd)\b)/i;

function blocks(lines, definitions, depth) {
  let html = "";
  let at = 0;
  const inner = (part) =>
    depth < MAX_NESTING ? blocks(part, definitions, depth + 1) : `<p>${escape(part.join("\n"))}</p>`;
  while (at < lines.length) {
    const line = lines[at];
    let match;
    if (!line.trim()) {
      at += 1;
    } else if (line.length > MAX_LINE) {
      html += `<p>${inline(line, definitions)}</p>`;
      at += 1;
    } else if ((match = FENCE.exec(line))) {
      const [, indent, fence, language] = match;
      const closes = (other) => other.startsWith(fence) && !other.slice(fence.length).replaceAll(fence[0], "");
      let last = at + 1;
      while (last < lines.length && !closes(lines[last].trim())) last += 1;
      const code = lines.slice(at + 1, last).map((one) => one.replace(new RegExp(`^ {0,${indent.length}}`), ""));
      html += `<pre><code>${language ? highlight(code.join("\n"), language) : escape(code.join("\n"))}</code></pre>`;
      at = last + 1;
    } else if ((match = HEADING.exec(line))) {
      html += `<h${match[1].length}>${inline(match[2].trim().replace(/(^|\s)#+$/, ""), definitions)}</h${match[1].length}>`;
      at += 1;
    } else if (RULE.test(line)) {
      html += "<hr>";
      at += 1;
    } else if (QUOTE.test(line)) {
      const start = at;
      while (at < lines.length && (QUOTE.test(lines[at]) || (lines[at].trim() && !startsBlock(lines[at])))) at += 1;
      html += `<blockquote>${inner(lines.slice(start, at).map((one) => QUOTE.exec(one)?.[1] ?? one))}</blockquote>`;
    } else if (ITEM.test(line)) {
      let list;
      [list, at] = renderList(lines, at, definitions, inner);
      html += list;
    } else if (/^ {4}/.test(line)) {
      const start = at;
      while (at < lines.length && (/^ {4}/.test(lines[at]) || !lines[at].trim())) at += 1;
      const code = lines.slice(start, at).map((one) => one.slice(4)).join("\n").trimEnd();
      html += `<pre><code>${escape(code)}</code></pre>`;
    } else if (line.includes("|") && DIVIDER.test(lines[at + 1] ?? "") && lines[at + 1].includes("-")) {
      let table;
      [table, at] = renderTable(lines, at, definitions);
      html += table;
    } else if (HTML_BLOCK.test(line)) {
      const start = at;
      if (COMMENT.test(line)) {
        // A comment ends with the line that closes it, whatever stands in it or follows it.
        while (at < lines.length && !lines[at].includes("-->")) at += 1;
        at += 1;
      } else while (at < lines.length && lines[at].trim()) at += 1;
      const text = withoutTags(lines.slice(start, at).join("\n"));
      if (text.trim()) html += `<p>${inline(text, definitions)}</p>`;
    } else {
      const start = at;
      at += 1;
      let level = 0;
      while (at < lines.length && lines[at].trim() && !level) {
        if (/^ {0,3}(=+|-+)\s*$/.test(lines[at])) level = lines[at].trim()[0] === "=" ? 1 : 2;
        else if (startsBlock(lines[at])) break;
        else at += 1;
      }
      const text = lines.slice(start, at).map((one) => one.trimStart()).join("\n");
      html += level ? `<h${level}>${inline(text, definitions)}</h${level}>` : `<p>${inline(text, definitions)}</p>`;
      if (level) at += 1;
    }
  }
  return html;
}

const startsBlock = (line) =>
  line.length > MAX_LINE ||
  FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || /^ {0,3}(?:[-*+]|1[.)])\s+\S/.test(line);

function renderList(lines, start, definitions, inner) {
  const [, indent, marker] = ITEM.exec(lines[start]);
  const isOrdered = /\d/.test(marker);
  const items = [];
  let isLoose = false;
  let at = start;
  while (at < lines.length) {
    const match = ITEM.exec(lines[at]);
    if (!match || match[1].length > indent.length + 3 || RULE.test(lines[at])) break;
    if (match[1].length < indent.length || /\d/.test(match[2]) !== isOrdered) break;
    const width = match[1].length + match[2].length + Math.max(1, Math.min(match[3].length, 4));
    const content = [match[4]];
    at += 1;
    while (at < lines.length) {
      const isBlank = !lines[at].trim();
      const own = lines[at].length - lines[at].trimStart().length;
      if (isBlank) {
        const following = lines[at + 1] ?? "";
        const ownFollowing = following.length - following.trimStart().length;
        if (!following.trim() || (ownFollowing < width && !ITEM.test(following))) break;
        if (ownFollowing < width) {
          isLoose = true;
          break;
        }
        isLoose = true;
        content.push("");
      } else if (own >= width) content.push(lines[at].slice(width));
      else if (ITEM.test(lines[at]) || startsBlock(lines[at]) || content.at(-1) === "") break;
      else content.push(lines[at].trimStart());
      at += 1;
    }
    items.push(content);
    if (!(lines[at] ?? "").trim() && ITEM.test(lines[at + 1] ?? "")) at += 1;
  }
  const tag = isOrdered ? "ol" : "ul";
  const first = isOrdered ? Number.parseInt(marker, 10) : 1;
  const body = items.map((content) => {
    const task = /^\[([ xX])\]\s+/.exec(content[0]);
    if (task) content[0] = content[0].slice(task[0].length);
    const box = task ? (task[1] === " " ? "☐ " : "☑ ") : "";
    let html = inner(content);
    if (!isLoose) html = html.replace(/^<p>([^]*?)<\/p>/, "$1");
    return `<li>${html.startsWith("<p>") ? `<p>${box}${html.slice(3)}` : box + html}</li>`;
  });
  return [`<${tag}${first === 1 ? "" : ` start="${first}"`}>${body.join("")}</${tag}>`, at];
}

function renderTable(lines, start, definitions) {
  const cells = (line) =>
    line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
  const head = cells(lines[start]);
  let at = start + 2;
  const rows = [];
  while (at < lines.length && lines[at].trim() && lines[at].includes("|")) {
    rows.push(cells(lines[at]));
    at += 1;
  }
  const row = (found, tag) => `<tr>${head.map((_, index) => `<${tag}>${inline(found[index] ?? "", definitions)}</${tag}>`).join("")}</tr>`;
  return [`<table><thead>${row(head, "th")}</thead><tbody>${rows.map((found) => row(found, "td")).join("")}</tbody></table>`, at];
}

/** HTML written in Markdown, as the text it shows; its links and pictures become Markdown's. */
function withoutTags(text) {
  return text
    .replace(/<!--[^]*?(?:-->|$)/g, "")
    .replace(/<img\b[^>]*\balt=["']([^"'\]]*)["'][^>]*>/gi, "$1")
    .replace(/<\/?[a-z][^<>]*>/gi, " ");
}

/** The marks inside a paragraph, as HTML. */
function inline(source, definitions) {
  if (source.length > MAX_PARAGRAPH) return escape(source);
  const kept = [];
  let html = mark(source.replace(/[\ue000\ue001]/g, ""), definitions, kept, 0);
  // What is kept holds only what was kept before it: this ends.
  while (PLACE.test(html)) html = html.replace(PLACES, (_, index) => kept[Number(index)].html);
  return html;
}

const PLACE = /\ue000(\d+)\ue001/;
const PLACES = /\ue000(\d+)\ue001/g;

/**
 * One pass over a text. What is finished is put aside, and its place marked by private signs, so
 * that no later rule sees into it; `plain` is what it was where only text may stand.
 */
function mark(source, definitions, kept, depth) {
  const keep = (html, plain = "") => `\ue000${kept.push({ html, plain }) - 1}\ue001`;
  const plain = (text) => text.replace(PLACES, (_, index) => kept[Number(index)].plain);
  const nested = (text) => (depth < 4 ? mark(text, definitions, kept, depth + 1) : escape(plain(text)));
  const link = (label, target) => {
    const safe = safeTarget(plain(target));
    const shown = label === target ? escape(plain(label)) : nested(label.replaceAll("://", ":\u2060//"));
    return keep(safe === null ? shown : `<a href="${escape(safe)}">${shown}</a>`, plain(label));
  };
  const picture = (label, target) => {
    const safe = safeTarget(plain(target));
    const alt = escape(plain(label));
    return keep(safe === null ? alt : `<img src="${escape(safe)}" alt="${alt}">`, plain(label));
  };
  let text = source;
  text = text.replace(/(?<!`)(`+)(?!`)([^]{0,4000}?[^`])\1(?!`)/g, (_, ticks, code) =>
    keep(`<code>${escape(code.replace(/^ (.*\S.*) $/, "$1").replaceAll("\n", " "))}</code>`, code));
  text = text.replace(/\\([!-/:-@[-`{-~])/g, (_, sign) => keep(escape(sign), sign));
  text = text.replace(/<((?:https?:\/\/|mailto:)[^\s<>]+)>/g, (_, target) => link(target, target));
  text = text.replace(/<!--[^]{0,4000}?-->|<\/?[a-z][^<>]{0,1000}>/gi, (tag) => (/^<br\b/i.test(tag) ? keep("<br>") : ""));
  text = text.replace(/!\[([^\]]{0,500})\]\(\s*<?([^()\s>]{0,1000}(?:\([^()\s]{0,200}\)[^()\s]{0,200}){0,3})>?(?:\s+["'][^"']*["'])?\s*\)/g, (_, label, target) => picture(label, target));
  text = text.replace(/\[((?:[^[\]]|\[[^\][]{0,200}\]){0,500})\]\(\s*<?([^()\s>]{0,1000}(?:\([^()\s]{0,200}\)[^()\s]{0,200}){0,3})>?(?:\s+["'][^"']*["'])?\s*\)/g, (_, label, target) => link(label, target));
  text = text.replace(/\[([^\][]{1,200})\](?:\[([^\][]{0,200})\])?/g, (whole, label, name) => {
    const target = definitions.get((name || label).toLowerCase());
    return target === undefined ? whole : link(label, target);
  });
  text = text.replace(/(?<![\w"'=/])https?:\/\/[^\s<>"'\ue000\ue001]*[^\s<>"'\ue000\ue001.,:;!?)\]*_]/g, (target) => link(target, target));
  text = escape(text);
  text = text.replace(/\*\*(?=\S)([^]{0,1000}?\S)\*\*(?!\*)/g, "<strong>$1</strong>");
  text = text.replace(/(?<!\w)__(?=\S)([^]{0,1000}?\S)__(?!\w)/g, "<strong>$1</strong>");
  text = text.replace(/(?<!\*)\*(?=[^\s*])([^*]{0,1000}?[^\s*])\*(?!\*)/g, "<em>$1</em>");
  text = text.replace(/(?<![\w_])_(?=[^\s_])([^_]{0,1000}?[^\s_])_(?![\w_])/g, "<em>$1</em>");
  text = text.replace(/~~(?=\S)([^~]{0,1000}?\S)~~/g, "<del>$1</del>");
  text = text.replace(/(?: {2,}|\\)\n/g, "<br>");
  return text;
}
