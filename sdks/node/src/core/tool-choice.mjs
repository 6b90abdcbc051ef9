// Which tool is meant by a name: `search`, or `docs/search` where several modules have one.
import { RequestError } from "../errors.mjs";

/**
 * @typedef {object} Tool
 * @property {string} module_id
 * @property {string} name
 * @property {string} subject - where it is asked
 * @property {string} [description]
 * @property {unknown} [input_schema] - JSON Schema
 * @property {unknown} [output_schema]
 */

/**
 * The module, where a name says it, and the tool's own name.
 * @param {string} name
 * @returns {{ module: string | null, tool: string }}
 */
export function toolName(name) {
  const slash = name.indexOf("/");
  return slash < 0 ? { module: null, tool: name } : { module: name.slice(0, slash), tool: name.slice(slash + 1) };
}

/**
 * The one tool that is meant; throws RequestError `tool_unknown` or `tool_ambiguous`.
 * @param {string} name
 * @param {unknown} tools - as the Registry lists them
 * @returns {Tool}
 */
export function chooseTool(name, tools) {
  const { module, tool } = toolName(name);
  const found = (Array.isArray(tools) ? tools : []).filter(
    (each) => each?.name === tool && typeof each.subject === "string" && (module === null || each.module_id === module),
  );
  if (found.length === 0) {
    throw new RequestError("tool_unknown", { tool: name, detail: `no module has a tool '${name}'` });
  }
  const modules = [...new Set(found.map((each) => each.module_id))].sort();
  if (modules.length > 1) {
    const detail = `several modules have a tool '${name}': ${modules.map((each) => `${each}/${tool}`).join(", ")}`;
    throw new RequestError("tool_ambiguous", { tool: name, modules, detail });
  }
  return found[0];
}
