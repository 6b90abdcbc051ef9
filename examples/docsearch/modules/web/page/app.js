// The page: what is typed goes to the index, what happens comes back by itself.
import { Hub } from "./hub.js";
import { addressed, element, marked, markIn, rebuilt, target } from "./safe.js";
import { ago, language, LANGUAGES, speak, words } from "./words.js";

const KINDS = ["all", "markdown", "text", "html", "source"];
const PAGE_SIZE = 20;
const SUBSCRIBE = ["docs.indexed", "docs.scan", "docs.words", "module.started", "module.stopped", "module.failed"];
const OURS = new Set(["watcher", "indexer", "web", "preview", "files", "wordcount"]);
const MAX_ACTIVITY = 4;

const $ = (selector) => document.querySelector(selector);
const params = new URLSearchParams(location.search);
const stored = (key) => {
  try {
    return localStorage.getItem(`docsearch.${key}`);
  } catch {
    return null; // the browser keeps nothing for us: the page works without
  }
};
const store = (key, value) => {
  try {
    localStorage.setItem(`docsearch.${key}`, value);
  } catch {
    // likewise
  }
};

/** Everything the page shows. */
const view = {
  query: params.get("q") ?? "",
  kind: KINDS.includes(params.get("kind")) ? params.get("kind") : "all",
  open: params.get("open"),
  answer: null,
  failure: null,
  results: [],
  chosen: -1,
  shown: null,
  stats: null,
  progress: null,
  scan: null,
  state: "connecting",
  retryAt: null,
  files: null,
  endpoint: null,
};

// ---- the Hub -------------------------------------------------------------------------------------

const hub = new Hub({
  subscribe: SUBSCRIBE,
  async session() {
    const response = await fetch("/session", { method: "POST", cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const session = await response.json();
    // The page's policy lets it talk to the Hub that was there when it was loaded, and to no other.
    if (view.endpoint && view.endpoint !== session.ws_endpoint) location.reload();
    view.endpoint = session.ws_endpoint;
    view.files = session.files;
    return session;
  },
  onEvent: hear,
  onState(state, retryAt) {
    Object.assign(view, { state, retryAt });
    showState();
    if (state === "connected") {
      search({ quiet: true });
      count();
      if (view.shown?.failed || (view.open && !view.shown)) preview(view.open);
    }
  },
});

function hear({ event, data }) {
  if (event === "docs.indexed") {
    view.progress = data;
    showProgress();
    for (const change of data.changes) if (data.total <= 20 || !change.new) note(changeText(change), change.path);
    if (data.changes.length) {
      searchSoon();
      if (data.changes.some(({ path }) => path === view.shown?.path)) preview(view.shown.path, { quiet: true });
    }
    if (data.state === "idle") count();
  } else if (event === "docs.scan") {
    view.scan = data;
    showProgress();
    showNumbers();
  } else if (event.startsWith("module.") && OURS.has(data.module_id)) {
    note({ text: words()[event.slice(7)](data.module_id), kind: event.slice(7) });
    if (event === "module.started") {
      if (data.module_id === "indexer") search({ quiet: true });
      if (data.module_id === "preview" && view.shown) preview(view.shown.path, { quiet: true });
      if (data.module_id === "files") hub.connect(); // the session says where the files are now
    }
  }
}

// ---- searching -----------------------------------------------------------------------------------

let searched = 0;
let soon = null;

function searchSoon() {
  // However fast changes come, the list is asked for anew at most three times a second.
  soon ??= setTimeout(() => {
    soon = null;
    search({ quiet: true });
  }, 300);
}

/** Ask the index. Of several questions under way only the last one's answer is shown. */
async function search({ quiet = false, more = false } = {}) {
  searched += 1;
  const mine = searched;
  const shown = view.results.length;
  const asked = {
    query: view.query,
    limit: more || !quiet ? PAGE_SIZE : Math.min(Math.max(shown, PAGE_SIZE), 100),
    offset: more ? shown : 0,
    kind: view.kind === "all" ? undefined : view.kind,
  };
  try {
    const answer = await hub.request("docs.search", asked);
    if (mine !== searched) return;
    view.answer = answer;
    view.failure = null;
    const chosen = view.results[view.chosen]?.path;
    view.results = more ? [...view.results, ...answer.results] : answer.results;
    view.chosen = view.results.findIndex(({ path }) => path === chosen);
  } catch (error) {
    if (mine !== searched || error.code === "disconnected") return;
    view.failure = error.code;
    // The index says module.started when it is back; this is for the case that it was only busy.
    if (error.code === "request_timeout") searchSoon();
  }
  showResults();
}

async function count() {
  try {
    view.stats = await hub.request("docs.stats", null);
    showNumbers();
  } catch {
    // the next word of the index asks again
  }
}

function typed() {
  view.query = $("#query").value;
  view.chosen = -1; // what is chosen from now on stays, also when the answer comes after it
  remember();
  search();
}

function remember() {
  const now = new URLSearchParams();
  if (view.query) now.set("q", view.query);
  if (view.kind !== "all") now.set("kind", view.kind);
  if (view.open) now.set("open", view.open);
  const text = now.toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
  document.title = view.query ? `${view.query} – docsearch` : "docsearch";
}

function choose(index, { open = false } = {}) {
  if (!view.results.length) return;
  view.chosen = Math.max(0, Math.min(index, view.results.length - 1));
  const items = $("#results").children;
  for (const [at, item] of [...items].entries()) item.setAttribute("aria-selected", at === view.chosen);
  const item = items[view.chosen];
  $("#query").setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
  // On a wide screen the preview follows the choice; on a narrow one it would cover the list.
  if (open || isWide()) preview(view.results[view.chosen].path, { line: view.results[view.chosen].snippets[0]?.line });
}

const isWide = () => matchMedia("(min-width: 60rem)").matches;

// ---- reading -------------------------------------------------------------------------------------

let previewed = 0;

/** Read a document in the pane: rendered, or as plain text where nobody renders. */
async function preview(path, { line = 0, quiet = false } = {}) {
  if (!path) return;
  previewed += 1;
  const mine = previewed;
  view.open = path;
  remember();
  if (!quiet) showPane({ path, note: words().loading });
  let shown;
  try {
    shown = { path, ...(await hub.request("docs.preview", { path })) };
  } catch (error) {
    shown = await plain(path, error.code);
  }
  if (mine !== previewed) return;
  const scroll = $("#pane .body").scrollTop;
  view.shown = shown;
  showPane(shown, line);
  if (quiet) $("#pane .body").scrollTop = scroll;
}

async function plain(path, code) {
  if (code === "docs_unknown_path") return { path, note: words().gone, failed: true };
  try {
    const { text, truncated } = await hub.request("docs.text", { path });
    return { path, text, truncated, note: words().plain };
  } catch (error) {
    return { path, note: error.code === "docs_unknown_path" ? words().gone : words().searchFailed, failed: true };
  }
}

function closePane() {
  previewed += 1;
  Object.assign(view, { open: null, shown: null });
  remember();
  showPane(null);
}

// ---- showing -------------------------------------------------------------------------------------

function showResults() {
  const { answer, failure, results } = view;
  const list = $("#results");
  const text = words();
  document.body.classList.toggle("stale", failure !== null);
  if (failure) {
    $("#summary").textContent = failure === "no_responders" ? text.indexerAway : text.searchFailed;
    if (!results.length) list.replaceChildren();
    return;
  }
  if (!answer) return;
  const ms = (answer.seconds * 1000).toFixed(answer.seconds < 0.01 ? 1 : 0);
  $("#summary").textContent = answer.relaxed
    ? `${text.relaxed} ${text.found(answer.total, ms)}`
    : view.query.trim()
      ? text.found(answer.total, ms)
      : text.latest;
  list.replaceChildren(...results.map(resultItem));
  if (!results.length) list.append(emptyItem());
  $("#more").hidden = results.length >= answer.total;
}

function resultItem(result, index) {
  const { kind, mtime, path, place, snippets, title } = result;
  const item = element(
    "li",
    { id: `result-${index}`, role: "option", "aria-selected": String(index === view.chosen), class: `result ${kind}`, "data-path": path },
    element(
      "div",
      { class: "head" },
      element("span", { class: "kind", title: words()[kind] }, ending(path)),
      element("h3", {}, ...marked(title)),
      element("time", { datetime: new Date(mtime * 1000).toISOString(), title: new Date(mtime * 1000).toLocaleString() }, ago(mtime)),
    ),
    element("p", { class: "path" }, ...marked(place)),
    ...snippets.map(({ line, parts }) =>
      element("p", { class: "snippet", "data-line": line }, element("span", { class: "at", title: words().line(line) }, String(line)), ...marked(parts)),
    ),
  );
  return item;
}

const ending = (path) => /\.([^./]{1,4})$/.exec(path)?.[1].toLowerCase() ?? "txt";

function emptyItem() {
  const text = words();
  const isMissing = view.scan?.state === "missing";
  const isAsked = view.query.trim() !== "" || view.kind !== "all";
  const [title, hint] = isMissing
    ? [text.missing, view.scan.folder]
    : isAsked
      ? [text.nothing, text.nothingHint]
      : [text.empty, text.emptyHint];
  return element("li", { class: "empty" }, element("strong", {}, title), element("span", {}, hint));
}

function showPane(shown, line = 0) {
  document.body.classList.toggle("reading", shown !== null);
  const [title, place, note, body, original] = [".pane-title h2", ".pane-title p", ".note", ".body", "a.button"].map((one) => $(`#pane ${one}`));
  body.replaceChildren();
  original.hidden = !shown || !view.files;
  note.hidden = true;
  title.textContent = shown ? shown.path.split("/").pop() : "";
  place.textContent = shown?.path ?? "";
  if (!shown) {
    body.append(element("p", { class: "empty" }, words().pick));
    return;
  }
  if (view.files) original.href = `${view.files}/${addressed(shown.path)}`;
  body.className = `body ${shown.kind ?? "plain"}`;
  if (shown.html !== undefined) body.append(rebuilt(shown.html, (href) => target(href, shown.path), pictureOf(shown.path)));
  else if (shown.text !== undefined) body.append(element("pre", { class: "plain" }, shown.text));
  const notes = [shown.note, shown.truncated ? words().truncated : ""].filter(Boolean);
  note.hidden = notes.length === 0;
  note.textContent = notes.join(" ");
  const marks = markIn(body, wantedWords());
  const row = line > 1 && shown.kind === "source" ? body.querySelector(`#line-${line}`) : null;
  if (row) row.classList.add("wanted");
  (row ?? marks[0])?.scrollIntoView({ block: "center" });
}

/** The words of the query, as far as they can be marked in what is shown. */
const wantedWords = () =>
  view.query
    .replaceAll(/(^|\s)-\S+/g, " ")
    .replaceAll(/\b(?:kind|ext|path|title):\S*|\b(?:OR|AND|NOT)\b/g, " ")
    .split(/[\s"“”*|]+/u)
    .filter((word) => word.length > 1 || /[\u3040-\u9fff]/u.test(word));

const pictureOf = (path) => (source) => {
  const found = target(source, path);
  return found?.path && view.files ? `${view.files}/${addressed(found.path)}` : null;
};

function showState() {
  const text = words();
  const state = $("#state");
  state.dataset.state = view.state;
  state.lastElementChild.textContent = text[view.state];
  const isLost = view.state === "disconnected" || (view.state === "connecting" && !$("#banner").hidden);
  $("#banner").hidden = !isLost;
  document.body.classList.toggle("offline", isLost);
  clearInterval(showState.timer);
  if (!isLost) return;
  const say = () => {
    const left = Math.ceil(((view.retryAt ?? 0) - Date.now()) / 1000);
    $("#banner span").textContent = `${text.lost} ${view.state === "connecting" || left < 1 ? text.retrying : text.retryIn(left)}`;
  };
  say();
  showState.timer = setInterval(say, 500);
}

function showProgress() {
  const { progress, scan } = view;
  const isIndexing = progress?.state === "indexing";
  const isScanning = scan?.state === "scanning" && !isIndexing;
  const bar = $("#progress");
  bar.hidden = !(isIndexing || isScanning);
  bar.classList.toggle("vague", isScanning);
  if (isIndexing) bar.firstElementChild.style.inlineSize = `${(100 * progress.done) / Math.max(progress.total, 1)}%`;
  showNumbers();
}

function showNumbers() {
  const { progress, scan, stats } = view;
  const text = words();
  const parts = [];
  if (progress?.problem) parts.push(`${text.indexProblem}: ${progress.problem}`);
  if (progress?.state === "indexing") parts.push(text.indexing(progress.done, progress.total));
  else if (scan?.state === "scanning") parts.push(text.scanning(scan.documents));
  else if (stats) parts.push(text.numbers(stats.documents, stats.words));
  if (scan?.unreadable) parts.push(text.unreadable(scan.unreadable));
  $("#numbers").textContent = parts.join(" · ");
  $("#numbers").title = (scan?.problems ?? []).map(({ path, reason }) => `${path}: ${reason}`).join("\n");
  $("#folder").textContent = stats?.folder ?? scan?.folder ?? "";
}

const changeText = ({ new: isNew, path, removed, title }) => {
  const kind = removed ? "removed" : isNew ? "added" : "changed";
  return { kind, text: words()[kind], name: title ?? path };
};

function note({ kind, name = "", text }, path = null) {
  const list = $("#activity");
  const opens = path && kind !== "removed";
  const item = element("li", { class: kind, "data-path": opens ? path : null }, element("b", {}, text), ` ${name}`);
  const same = [...list.children].find((one) => one.textContent === item.textContent);
  same?.remove();
  list.prepend(item);
  while (list.children.length > MAX_ACTIVITY) list.lastElementChild.remove();
}

function showKinds() {
  $("#kinds").replaceChildren(
    ...KINDS.map((kind) => element("button", { type: "button", "data-kind": kind, "aria-pressed": String(kind === view.kind) }, words()[kind])),
  );
}

function showWords() {
  const text = words();
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = text[one.dataset.text];
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", text[one.dataset.label]);
  for (const one of document.querySelectorAll("[data-title]")) one.title = text[one.dataset.title];
  $("#query").placeholder = text.placeholder;
  $("#language").textContent = text.language;
  $("#language").title = text.languageTitle;
  const list = (entries) => Object.entries(entries).flatMap(([key, meaning]) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, meaning)]);
  $("#keys").replaceChildren(...list(text.keys));
  $("#syntax").replaceChildren(...list(text.syntax));
  showTheme();
  showKinds();
  showState();
  showResults();
  showProgress();
  showPane(view.shown);
}

function showTheme() {
  const theme = stored("theme") ?? "auto";
  document.documentElement.dataset.theme = theme;
  $("#theme").textContent = { auto: "◐", light: "☀", dark: "☾" }[theme];
  $("#theme").title = words().theme[theme];
}

// ---- what people do ------------------------------------------------------------------------------

$("#query").addEventListener("input", typed);
$("form.search").addEventListener("submit", (event) => {
  event.preventDefault();
  choose(Math.max(view.chosen, 0), { open: true });
});
$("#kinds").addEventListener("click", ({ target: { dataset } }) => dataset.kind && pickKind(dataset.kind));
$("#results").addEventListener("click", ({ target: clicked }) => {
  const item = clicked.closest("li[data-path]");
  if (!item || getSelection()?.toString()) return;
  choose([...$("#results").children].indexOf(item));
  preview(item.dataset.path, { line: Number(clicked.closest("[data-line]")?.dataset.line ?? 0) });
});
$("#activity").addEventListener("click", ({ target: clicked }) => preview(clicked.closest("[data-path]")?.dataset.path));
$("#pane").addEventListener("click", ({ target: clicked }) => {
  const path = clicked.closest("a[data-path]")?.dataset.path;
  if (path) follow(path);
});
$("#pane .close").addEventListener("click", closePane);
$("#more").addEventListener("click", () => search({ more: true }));
$("#banner button").addEventListener("click", () => hub.connect());
$("#help").addEventListener("click", () => $("#about").showModal());
$("#theme").addEventListener("click", () => {
  const themes = ["auto", "light", "dark"];
  store("theme", themes[(themes.indexOf(stored("theme") ?? "auto") + 1) % 3]);
  showTheme();
});
$("#language").addEventListener("click", () => {
  speak(LANGUAGES[(LANGUAGES.indexOf(language()) + 1) % LANGUAGES.length]);
  store("language", language());
  showWords();
});
addEventListener("online", () => hub.connect());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !hub.isConnected) hub.connect();
});

/** A link to another document of the folder: read it here, or get the file where it is none. */
async function follow(path) {
  await preview(path);
  if (view.shown?.failed && view.files) open(`${view.files}/${addressed(path)}`, "_blank", "noopener");
}

function pickKind(kind) {
  Object.assign(view, { kind, chosen: -1 });
  showKinds();
  remember();
  search();
}

document.addEventListener("keydown", (event) => {
  if ($("#about").open || event.isComposing) return;
  const input = $("#query");
  const isTyping = event.target === input;
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  const does = (action) => {
    event.preventDefault();
    action();
  };
  if (event.key === "k" && (event.ctrlKey || event.metaKey)) does(() => input.select());
  else if (!isPlain) return;
  else if (event.key === "ArrowDown" && !event.target.closest(".body")) does(() => choose(view.chosen + 1));
  else if (event.key === "ArrowUp" && !event.target.closest(".body")) does(() => choose(view.chosen - 1));
  else if (event.key === "Escape") {
    does(() => {
      if (document.body.classList.contains("reading")) closePane();
      else if (input.value) {
        input.value = "";
        typed();
      }
      input.focus();
    });
  } else if (isTyping) return;
  else if (event.key === "/") does(() => input.select());
  else if (event.key === "o") does(() => $("#pane a.button").hidden || $("#pane a.button").click());
  else if (event.key === "?") does(() => $("#about").showModal());
  else if (event.key === "Enter" && event.target === document.body) does(() => choose(Math.max(view.chosen, 0), { open: true }));
  else if (/^[1-5]$/.test(event.key)) does(() => pickKind(KINDS[Number(event.key) - 1]));
});

speak(stored("language") ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"));
$("#query").value = view.query;
showWords();
hub.connect();
