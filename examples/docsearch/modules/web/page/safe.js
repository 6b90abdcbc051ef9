// Strings into the page, without ever parsing them as part of it.

/** An element with attributes and children; text stays text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "class") made.className = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** `[plain, hit, plain, …]` as text and `<mark>`s. */
export function marked(parts) {
  return parts.map((part, index) => (index % 2 ? element("mark", {}, part) : part));
}

const ALLOWED = new Set(
  ("a abbr article aside b blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption" +
    " figure footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small span" +
    " strong sub summary sup table tbody td tfoot th thead tr tt u ul var").split(" "),
);
const CLASSES = /^(?:source|line|n|t-[a-z]+)$/;

/**
 * HTML that another module made, built anew from allowed elements and attributes: what the preview
 * promises is not taken on trust.
 * @param {string} html
 * @param {(href: string) => {href?: string, path?: string}|null} resolve - what a link leads to
 * @param {(src: string) => string|null} picture - where a picture is
 */
export function rebuilt(html, resolve, picture) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  const fragment = document.createDocumentFragment();
  for (const child of parsed.body.childNodes) copy(child, fragment, resolve, picture);
  return fragment;
}

function copy(node, into, resolve, picture) {
  if (node.nodeType === Node.TEXT_NODE) {
    into.append(node.data);
    return;
  }
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  const name = node.localName;
  let made = into;
  if (name === "img") {
    const source = picture(node.getAttribute("src") ?? "");
    const label = node.getAttribute("alt") ?? "";
    into.append(source ? element("img", { src: source, alt: label, loading: "lazy" }) : label);
    return;
  }
  if (ALLOWED.has(name)) {
    made = element(name);
    const id = /^line-\d+$/.exec(node.id);
    if (id) made.id = id[0];
    if (CLASSES.test(node.className)) made.className = node.className;
    for (const key of ["colspan", "rowspan", "start"]) {
      if (/^\d{1,4}$/.test(node.getAttribute(key) ?? "")) made.setAttribute(key, node.getAttribute(key));
    }
    if (name === "a") {
      const target = resolve(node.getAttribute("href") ?? "");
      if (target?.path) made.dataset.path = target.path;
      if (target?.href) {
        made.href = target.href;
        made.target = "_blank";
        made.rel = "noopener noreferrer";
      }
    }
    into.append(made);
  }
  for (const child of node.childNodes) copy(child, made, resolve, picture);
}

/** Mark words in what is shown already; returns the marks. */
export function markIn(root, wanted) {
  const pattern = wanted.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  if (!pattern) return [];
  const search = new RegExp(pattern, "giu");
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  const marks = [];
  for (const text of texts) {
    const pieces = [];
    let at = 0;
    for (const match of text.data.matchAll(search)) {
      if (marks.length > 500) break;
      const mark = element("mark", {}, match[0]);
      marks.push(mark);
      pieces.push(text.data.slice(at, match.index), mark);
      at = match.index + match[0].length;
    }
    if (pieces.length) text.replaceWith(...pieces, text.data.slice(at));
  }
  return marks;
}

/** Where a link inside a document leads: a path in the folder, or an address, or nowhere. */
export function target(href, path) {
  if (/^(?:https?|mailto):/i.test(href)) return { href };
  if (!href || href.startsWith("#") || /^[a-z][a-z0-9+.-]*:/i.test(href)) return null;
  const parts = href.startsWith("/") ? [] : path.split("/").slice(0, -1);
  for (const raw of href.replace(/[?#].*$/, "").split("/")) {
    let part;
    try {
      part = decodeURIComponent(raw);
    } catch {
      return null;
    }
    if (part === "..") {
      if (!parts.length) return null;
      parts.pop();
    } else if (part && part !== ".") parts.push(part);
  }
  return parts.length ? { path: parts.join("/") } : null;
}

/** A path as part of an address. */
export const addressed = (path) => path.split("/").map(encodeURIComponent).join("/");
