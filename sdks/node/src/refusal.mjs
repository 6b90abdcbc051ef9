// Somebody else's no, as an error that can be raised here.
import { KINDS, RequestError } from "./errors.mjs";

/** A refusal that came over the wire: the Hub's error frame, or the error reply of a module. */
export class Refusal extends RequestError {
  /**
   * @param {string} code - the other side's
   * @param {unknown} [words] - the other side's message
   * @param {unknown} [params] - what fills the placeholders, as received
   */
  constructor(code, words, params) {
    const known = params !== null && typeof params === "object" && !Array.isArray(params) ? { ...params } : {};
    super(code, known);
    const canBeRendered = Object.keys(known).length > 0 && Object.hasOwn(KINDS, code);
    if (typeof words === "string" && words && !canBeRendered) this.message = words;
    if (!canBeRendered) this.hint = "";
  }
}
