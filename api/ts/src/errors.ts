// What Lodge's errors say to programs: a reason, the fields at fault, whether it is worth to try again. Their texts are for people.
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { type Reason, reasons } from "./gen/reasons.js";

export { type Reason, reasons };

/** The domain of ErrorInfo in the platform's errors. */
const errorDomain = "lodge";

/** A field of a request that is at fault. */
export interface FieldViolation {
  /** Its path in the request, as in reservation.check_out_date. */
  field: string;
  description: string;
}

/** What an error says to programs. */
export interface Problem {
  /** The gRPC code. */
  code: Code;
  /** Why; undefined when the error is none of the platform's, such as a lost connection. A newer server may have reasons that this version does not know. */
  reason: Reason | (string & {}) | undefined;
  /** For people. */
  text: string;
  /** More to the reason, such as the nights that were full. */
  metadata: Readonly<{ [key: string]: string }>;
  violations: readonly FieldViolation[];
  /** The same request may succeed after so many milliseconds; undefined: nothing says so. */
  retryAfterMs: number | undefined;
}

/** Reads an error, whatever was thrown. */
export function problemOf(thrown: unknown): Problem {
  const err = ConnectError.from(thrown);
  const info = err.findDetails(ErrorInfoSchema).find((i) => i.domain === errorDomain);
  const retry = err.findDetails(RetryInfoSchema)[0];
  return {
    code: err.code,
    reason: info?.reason,
    text: err.rawMessage,
    metadata: info?.metadata ?? {},
    violations: err.findDetails(BadRequestSchema).flatMap((b) => b.fieldViolations.map(({ field, description }) => ({ field, description }))),
    retryAfterMs: retry === undefined ? undefined : Number(retry.retryDelay?.seconds ?? 0n) * 1000 + (retry.retryDelay?.nanos ?? 0) / 1e6,
  };
}

/** Reports whether something that was thrown is an error of the platform with one of these reasons. */
export function hasReason(thrown: unknown, ...wanted: Reason[]): boolean {
  const { reason } = problemOf(thrown);
  return wanted.some((w) => w === reason);
}

/** Reports whether the same request may succeed later: the platform said so, or nobody knows what became of it. */
export function isTransient(thrown: unknown): boolean {
  const { code, reason, retryAfterMs } = problemOf(thrown);
  if (retryAfterMs !== undefined) {
    return true;
  }
  // fetch throws a TypeError when there is no connection or it is lost, which Connect makes Unknown or Internal; a proxy without a server says Unavailable.
  return reason === undefined && (code === Code.Unavailable || causedByFetch(thrown));
}

function causedByFetch(thrown: unknown): boolean {
  for (let e: unknown = thrown, depth = 0; e instanceof Error && depth < 4; e = e.cause, depth++) {
    if (e instanceof TypeError) {
      return true;
    }
  }
  return false;
}
