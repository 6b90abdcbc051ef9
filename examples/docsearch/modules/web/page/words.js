// The page's words, in English and Simplified Chinese.

const WORDS = {
  en: {
    placeholder: "Search your documents",
    search: "Search",
    results: "Results",
    kinds: "Kinds of documents",
    preview: "Preview",
    activity: "What happens",
    language: "中文",
    languageTitle: "切换到中文",
    theme: { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" },
    help: "Keys and query syntax",
    connecting: "Connecting …",
    connected: "Live",
    disconnected: "Disconnected",
    lost: "Kite cannot be reached. What is shown may be old.",
    retryIn: (seconds) => `Trying again in ${seconds} s.`,
    retrying: "Trying again …",
    retryNow: "Try now",
    all: "All",
    markdown: "Markdown",
    text: "Text",
    html: "HTML",
    source: "Source",
    found: (total, ms) => `${number(total)} ${total === 1 ? "document" : "documents"} · ${ms} ms`,
    latest: "Changed last",
    relaxed: "No document has all of it. These have some:",
    nothing: "Nothing found",
    nothingHint: "Try fewer words, or the beginning of one.",
    empty: "No documents yet",
    emptyHint: "Markdown, text, HTML and source files in the folder appear here by themselves.",
    missing: "The folder does not exist",
    searchFailed: "The search did not answer",
    indexerAway: "The index is being restarted. The search goes on by itself.",
    more: "Show more",
    original: "Open original",
    close: "Close",
    pick: "Choose a document to read it here.",
    loading: "Loading …",
    plain: "Previews need Node.js, which Kite did not find: this is the plain text.",
    truncated: "Only the beginning is shown.",
    gone: "This document is not there any more.",
    line: (n) => `line ${n}`,
    indexing: (done, total) => `Indexing ${number(done)} of ${number(total)}`,
    scanning: (count) => `Reading the folder: ${number(count)} files`,
    numbers: (documents, words) => `${number(documents)} documents · ${number(words)} words`,
    unreadable: (count) => `${count} unreadable`,
    indexProblem: "The index cannot be written",
    added: "new",
    changed: "changed",
    removed: "removed",
    started: (name) => `${name} started`,
    stopped: (name) => `${name} stopped`,
    failed: (name) => `${name} failed`,
    helpTitle: "Keys",
    keys: {
      "/  Ctrl K": "search",
      "↓ ↑": "next, previous",
      Enter: "read",
      o: "open the original",
      "1 … 5": "kind of document",
      Esc: "close, then clear",
    },
    syntaxTitle: "What can be typed",
    syntax: {
      "hub token": "both words",
      '"hub token"': "side by side",
      "hub -token": "without a word",
      "hub OR token": "either",
      "tok*": "words that begin so",
      "title:hub path:docs": "in the title, in the path",
      "kind:markdown ext:py": "kind, file ending",
    },
    ago: { now: "just now", minute: "min ago", hour: "h ago", day: "d ago" },
  },
  zh: {
    placeholder: "搜索你的文档",
    search: "搜索",
    results: "结果",
    kinds: "文档类型",
    preview: "预览",
    activity: "动态",
    language: "EN",
    languageTitle: "Switch to English",
    theme: { auto: "主题：跟随系统", light: "主题：浅色", dark: "主题：深色" },
    help: "快捷键与查询语法",
    connecting: "连接中…",
    connected: "实时",
    disconnected: "已断开",
    lost: "无法连接 Kite，页面内容可能已过时。",
    retryIn: (seconds) => `${seconds} 秒后重试。`,
    retrying: "正在重试…",
    retryNow: "立即重试",
    all: "全部",
    markdown: "Markdown",
    text: "文本",
    html: "HTML",
    source: "源代码",
    found: (total, ms) => `${number(total)} 篇文档 · ${ms} 毫秒`,
    latest: "最近修改",
    relaxed: "没有文档包含全部词语，以下文档包含其中一部分：",
    nothing: "没有找到",
    nothingHint: "试试更少的词，或只输入词的开头。",
    empty: "还没有文档",
    emptyHint: "文件夹中的 Markdown、文本、HTML 和源代码文件会自动出现在这里。",
    missing: "文件夹不存在",
    searchFailed: "搜索没有响应",
    indexerAway: "索引正在重启，搜索会自动继续。",
    more: "显示更多",
    original: "打开原文件",
    close: "关闭",
    pick: "选择一篇文档在此阅读。",
    loading: "加载中…",
    plain: "预览需要 Node.js，但 Kite 没有找到它：这里显示纯文本。",
    truncated: "仅显示开头部分。",
    gone: "这篇文档已不存在。",
    line: (n) => `第 ${n} 行`,
    indexing: (done, total) => `正在索引 ${number(done)} / ${number(total)}`,
    scanning: (count) => `正在读取文件夹：${number(count)} 个文件`,
    numbers: (documents, words) => `${number(documents)} 篇文档 · ${number(words)} 词`,
    unreadable: (count) => `${count} 个无法读取`,
    indexProblem: "无法写入索引",
    added: "新增",
    changed: "修改",
    removed: "删除",
    started: (name) => `${name} 已启动`,
    stopped: (name) => `${name} 已停止`,
    failed: (name) => `${name} 失败`,
    helpTitle: "快捷键",
    keys: {
      "/  Ctrl K": "搜索",
      "↓ ↑": "下一个、上一个",
      Enter: "阅读",
      o: "打开原文件",
      "1 … 5": "文档类型",
      Esc: "关闭，再清空",
    },
    syntaxTitle: "查询语法",
    syntax: {
      "hub token": "同时包含两个词",
      '"hub token"': "相邻出现",
      "hub -token": "不含某词",
      "hub OR token": "任意一个",
      "tok*": "以此开头的词",
      "title:hub path:docs": "在标题中、在路径中",
      "kind:markdown ext:py": "类型、文件后缀",
    },
    ago: { now: "刚刚", minute: "分钟前", hour: "小时前", day: "天前" },
  },
};

let current = "en";

const number = (value) => new Intl.NumberFormat(current === "zh" ? "zh-CN" : "en").format(value);

/** The languages there are. */
export const LANGUAGES = Object.keys(WORDS);

/** Choose the language of everything that follows. */
export function speak(language) {
  current = LANGUAGES.includes(language) ? language : "en";
}

export const language = () => current;

/** The words in the chosen language. */
export const words = () => WORDS[current];

/** How long ago an instant is, in short. */
export function ago(seconds, now = Date.now() / 1000) {
  const { ago: unit } = words();
  const gap = now - seconds;
  const gapped = (n, name) => `${Math.floor(n)} ${name}`;
  if (gap < 60) return unit.now;
  if (gap < 3600) return gapped(gap / 60, unit.minute);
  if (gap < 86_400) return gapped(gap / 3600, unit.hour);
  if (gap < 30 * 86_400) return gapped(gap / 86_400, unit.day);
  return new Intl.DateTimeFormat(current === "zh" ? "zh-CN" : "en", { dateStyle: "medium" }).format(seconds * 1000);
}
