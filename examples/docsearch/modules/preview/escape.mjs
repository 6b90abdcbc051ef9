// Text into HTML, and which links may stand in it.

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text as HTML that shows it. */
export const escape = (text) => text.replace(/[&<>"']/g, (sign) => ENTITIES[sign]);

/**
 * A link's target when it is harmless, else null.
 * Allowed are http(s), mailto and what is relative to the document.
 */
export function safeTarget(target) {
  // Browsers ignore white space and control characters inside a scheme: so do we.
  const bare = target.replace(/[\u0000-\u0020\u007f-\u009f\u200b-\u200f\u2028-\u202e\ufeff]/g, "");
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(bare)?.[1].toLowerCase();
  if (scheme) return ["http", "https", "mailto"].includes(scheme) ? bare : null;
  return bare.startsWith("//") || bare.startsWith("\\") ? null : target.trim();
}
