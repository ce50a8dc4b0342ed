import assert from "node:assert/strict";
import test from "node:test";
import { date, formatAmount, formatDate, money, newRequestId, sum } from "../src/index.js";

test("dates are days of a calendar", () => {
  for (const text of ["2026-07-31", "2024-02-29", "0001-01-01", "9999-12-31"]) {
    assert.equal(formatDate(date(text)), text);
  }
  for (const text of ["2026-02-29", "2026-13-01", "2026-00-10", "2026-06-31", "0000-01-01", "26-07-31", "2026-7-1", "2026-07-31T00:00Z", ""]) {
    assert.throws(() => date(text), RangeError, text);
  }
});

test("money is exact", () => {
  for (const [text, shown] of [["120.5", "120.50"], ["0", "0.00"], ["-0.005", "-0.005"], ["-3.10", "-3.10"], ["999999999999999999.999999999", "999999999999999999.999999999"]] as const) {
    assert.equal(formatAmount(money("EUR", text)), shown);
  }
  assert.equal(formatAmount(money("JPY", "1200")), "1200");
  assert.equal(formatAmount(money("BHD", "1.5")), "1.500");
  assert.equal(formatAmount(money("JPY", "1200"), 2), "1200.00");
  assert.equal(formatAmount(sum(money("EUR", "0.1"), money("EUR", "0.2"))), "0.30");
  assert.equal(formatAmount(sum(money("EUR", "1"), money("EUR", "-1.25"))), "-0.25");
  const half = money("EUR", "-1.5");
  assert.deepEqual([half.units, half.nanos], [-1n, -500_000_000]); // the same sign, as google.type.Money wants it
  assert.throws(() => sum(money("EUR", "1"), money("USD", "1")), RangeError);
  assert.throws(() => sum(), RangeError);
  for (const text of ["", "1,5", "1e3", "1.0000000001", ".5", "5."]) {
    assert.throws(() => money("EUR", text), RangeError, text);
  }
  assert.throws(() => money("euro", "1"), RangeError);
});

test("request ids are random UUIDs", () => {
  const ids = new Set(Array.from({ length: 1000 }, newRequestId));
  assert.equal(ids.size, 1000);
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});
