// Where random bytes come from, in Node.js.
import { webcrypto } from "node:crypto";

/** Fills bytes that nobody can guess, and returns them. */
export function randomBytes(bytes: Uint8Array): Uint8Array {
  return webcrypto.getRandomValues(bytes);
}
