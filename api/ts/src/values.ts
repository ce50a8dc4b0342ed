// Dates, money and request ids: the values that Lodge's messages are made of, from and to what programs and people write.
import { create } from "@bufbuild/protobuf";
import { randomBytes } from "#random";
import { type Date as CalendarDate, DateSchema } from "./gen/google/type/date_pb.js";
import { minorDigits } from "./gen/digits.js";
import { type Money, MoneySchema } from "./gen/google/type/money_pb.js";

export type { CalendarDate, Money };

const datePattern = /^(\d{4})-(\d{2})-(\d{2})$/;

/** A day in a hotel's calendar, from YYYY-MM-DD. It is no instant: it has no time zone. Throws a RangeError when there is no such day. */
export function date(text: string): CalendarDate {
  const [, year, month, day] = (datePattern.exec(text) ?? []).map(Number);
  if (year === undefined || month === undefined || day === undefined) {
    throw new RangeError(`${text} is not a date as in 2026-07-31`);
  }
  const known = new Date(0);
  known.setUTCFullYear(year, month - 1, day);
  if (year === 0 || known.getUTCMonth() !== month - 1 || known.getUTCDate() !== day) {
    throw new RangeError(`there is no ${text}`);
  }
  return create(DateSchema, { year, month, day });
}

/** YYYY-MM-DD. */
export function formatDate(d: CalendarDate): string {
  const digits = (n: number, width: number) => String(n).padStart(width, "0");
  return `${digits(d.year, 4)}-${digits(d.month, 2)}-${digits(d.day, 2)}`;
}

const amountPattern = /^(-?)(\d{1,18})(?:\.(\d{1,9}))?$/;
const nanosPerUnit = 1_000_000_000n;

/** An amount of a currency (ISO 4217), from decimal digits as in 120.50: exact, never a float. Throws a RangeError when it is none. */
export function money(currencyCode: string, amount: string): Money {
  const [, sign, units, fraction] = amountPattern.exec(amount) ?? [];
  if (units === undefined || !/^[A-Z]{3}$/.test(currencyCode)) {
    throw new RangeError(`${amount} ${currencyCode} is not an amount as in 120.50 EUR`);
  }
  const factor = sign === "-" ? -1n : 1n;
  return create(MoneySchema, {
    currencyCode,
    units: factor * BigInt(units),
    nanos: Number(factor) * Number((fraction ?? "").padEnd(9, "0")),
  });
}

/**
 * The amount in decimal digits, as in 120.50, with at least that many behind the point: without a number as many as the currency has. No currency.
 * Intl.NumberFormat takes it as it is, and loses nothing.
 */
export function formatAmount(m: Money, fractionDigits = minorDigits[m.currencyCode] ?? 2): string {
  const nanos = m.units * nanosPerUnit + BigInt(m.nanos);
  const size = nanos < 0n ? -nanos : nanos;
  const fraction = String(size % nanosPerUnit).padStart(9, "0").replace(/0+$/, "").padEnd(fractionDigits, "0");
  return `${nanos < 0n ? "-" : ""}${size / nanosPerUnit}${fraction === "" ? "" : `.${fraction}`}`;
}

/** The sum of amounts of one currency. Throws a RangeError when there are several, or none. */
export function sum(...amounts: Money[]): Money {
  const codes = new Set(amounts.map((m) => m.currencyCode));
  const [currencyCode] = codes;
  if (currencyCode === undefined || codes.size > 1) {
    throw new RangeError(`there is no sum of ${codes.size} currencies`);
  }
  const nanos = amounts.reduce((all, m) => all + m.units * nanosPerUnit + BigInt(m.nanos), 0n);
  return create(MoneySchema, { currencyCode, units: nanos / nanosPerUnit, nanos: Number(nanos % nanosPerUnit) });
}

/** A new request id: a random UUID. The same change again with the same id gets the first answer again, and changes nothing twice. */
export function newRequestId(): string {
  const bytes = randomBytes(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40; // version 4
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80; // RFC 9562's variant
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
