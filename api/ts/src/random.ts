// Where random bytes come from, in browsers. In Node.js it is random.node.ts, since Node.js 18 has no global crypto: see "imports" in package.json.

/** Fills bytes that nobody can guess, and returns them. */
export function randomBytes(bytes: Uint8Array): Uint8Array {
  return crypto.getRandomValues(bytes);
}
