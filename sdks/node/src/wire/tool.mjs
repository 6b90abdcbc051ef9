// Tools: what a module offers to be called, as it stands in `tools` of its registration. Pure.
//
// An element with a `subject` can be called; any other value is information, shown where it has a name.
import { RequestError } from "../errors.mjs";

/** What a tool that can be called may be named. */
export const NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const SHOWN = 100;

/**
 * One tool of one module.
 * @typedef {object} Tool
 * @property {string} moduleId - who offers it
 * @property {string} name - unique in its module
 * @property {string | null} description - what it does, for people and models
 * @property {object | boolean | null} inputSchema - JSON Schema of the data that it takes; null: not told
 * @property {object | boolean | null} outputSchema - of what it answers
 * @property {string | null} subject - where requests for it are published; null: it cannot be called
 */

/** @param {unknown} value */
const textOf = (value) => (typeof value === "string" ? value : null);
/** @param {unknown} value */
const schemaOf = (value) => (typeof value === "boolean" || (typeof value === "object" && !Array.isArray(value)) ? value : null);

/**
 * The tools of a module's record that have a name; a text is the name of one that is not told more about.
 * @param {Record<string, unknown>} record
 * @returns {Tool[]}
 */
export function offered(record) {
  const tools = Array.isArray(record.tools) ? record.tools : [];
  return tools
    .map((tool) => (typeof tool === "string" ? { name: tool } : tool))
    .filter((tool) => typeof tool?.name === "string")
    .map((tool) => ({
      moduleId: String(record.module_id),
      name: tool.name,
      description: textOf(tool.description),
      inputSchema: schemaOf(tool.input_schema),
      outputSchema: schemaOf(tool.output_schema),
      subject: textOf(tool.subject),
    }));
}

/**
 * The subject of the tool that is meant by a name, or by `module/name`. Throws RequestError `tool_unknown`;
 * `tool_ambiguous` where several modules offer it under different subjects; `tool_not_callable`.
 * @param {Tool[]} tools
 * @param {string} name
 * @returns {string}
 */
export function subjectOf(tools, name) {
  const found = tools.filter((tool) => name === tool.name || name === fullName(tool));
  const callable = found.filter((tool) => tool.subject !== null);
  if (found.length === 0) throw new RequestError("tool_unknown", { tool: String(name).slice(0, SHOWN) });
  if (callable.length === 0) throw new RequestError("tool_not_callable", { tool: name, module: found[0].moduleId });
  const subjects = new Set(callable.map((tool) => tool.subject));
  if (subjects.size > 1) throw new RequestError("tool_ambiguous", { tool: name, names: callable.map(fullName).sort().join(", ") });
  return /** @type {string} */ (callable[0].subject);
}

/** The name that no other module's tool has. @param {Tool} tool */
const fullName = ({ moduleId, name }) => `${moduleId}/${name}`;
