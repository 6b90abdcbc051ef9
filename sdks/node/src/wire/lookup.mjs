// Finding things in records: dotted paths, and globs on what a dotted field holds.

/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/**
 * What stands at a path: keys of objects and positions of lists. A key may itself hold dots: the
 * shortest key that leads to something wins.
 * @param {unknown} value
 * @param {string[]} path
 * @returns {{ found: unknown } | null}
 */
export function resolve(value, path) {
  for (const found of walk(value, path, false)) return { found };
  return null;
}

/**
 * Whether a dotted field of the record matches a glob: `*` is any run of characters, `?` any one.
 * On a list any element may, on an object any key, and on the way any element is looked into.
 * @param {Record<string, unknown>} record
 * @param {string} field
 * @param {string} glob
 */
export function fieldMatches(record, field, glob) {
  for (const found of walk(record, field.split("."), true)) if (valueMatches(found, glob)) return true;
  return false;
}

/**
 * Whether a glob matches a text whole. Each star takes as little as it can and is never gone back
 * behind, so that a hostile glob costs no more than the product of the two lengths.
 * @param {string} glob
 * @param {string} text
 */
export function globMatches(glob, text) {
  const [wanted, given] = [[...glob], [...text]];
  let [at, place, star, mark] = [0, 0, -1, 0];
  while (place < given.length) {
    if (wanted[at] === "*") {
      [star, mark] = [at, place];
      at += 1;
    } else if (at < wanted.length && (wanted[at] === "?" || wanted[at] === given[place])) {
      at += 1;
      place += 1;
    } else if (star >= 0) {
      mark += 1;
      [at, place] = [star + 1, mark];
    } else return false;
  }
  while (wanted[at] === "*") at += 1;
  return at === wanted.length;
}

/** @param {unknown} value @param {string} glob @returns {boolean} */
function valueMatches(value, glob) {
  if (Array.isArray(value)) return value.some((each) => valueMatches(each, glob));
  if (isObject(value)) return Object.keys(value).some((key) => globMatches(glob, key));
  return globMatches(glob, typeof value === "string" ? value : String(value));
}

/**
 * All values that the path leads to; with `every` a list may be entered without a position.
 * @param {unknown} value
 * @param {string[]} path
 * @param {boolean} every
 * @returns {Generator<unknown>}
 */
function* walk(value, path, every) {
  if (path.length === 0) {
    yield value;
  } else if (Array.isArray(value)) {
    const [position] = path;
    if (/^[0-9]{1,9}$/.test(position)) {
      if (Number(position) < value.length) yield* walk(value[Number(position)], path.slice(1), every);
    } else if (every) {
      for (const each of value) yield* walk(each, path, every);
    }
  } else if (isObject(value)) {
    for (let length = 1; length <= path.length; length += 1) {
      const key = path.slice(0, length).join(".");
      if (Object.hasOwn(value, key)) yield* walk(value[key], path.slice(length), every);
    }
  }
}
