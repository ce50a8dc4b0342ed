// README's example is test/example.ts, which the compiler has checked.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

test("README's example compiles", () => {
  const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8"); // this file is run from dist/test
  const shown = /^```ts\n([\s\S]*?)^```$/m.exec(read("README.md"))?.[1];
  assert.equal(shown, read("test/example.ts").replace("../src/index.js", "@lodge/client"));
});
