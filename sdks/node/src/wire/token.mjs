// Tokens: 64 hex digits that say who speaks.

/**
 * Whether the value has the form of a token.
 * @param {unknown} value
 * @returns {value is string}
 */
export const isToken = (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
