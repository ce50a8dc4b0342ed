// Retries that change nothing twice.
import { type DescMessage, type Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { type Interceptor } from "@connectrpc/connect";
import { isTransient, problemOf } from "./errors.js";
import { newRequestId } from "./values.js";

/** How calls are tried again. */
export interface RetryOptions {
  /** How often a call is made at most: 4, unless told. 1: once. */
  attempts?: number;
  /** The first pause, which doubles each time, in milliseconds: 50, unless told. What the platform asks for counts when it is longer. */
  pauseMs?: number;
}

const attemptsDefault = 4;
const pauseDefaultMs = 50;
/** No pause is longer. */
export const pauseMaxMs = 10_000;

/**
 * Makes calls again whose answer was lost, or that the platform asks to send again; only those that are safe: reads, and changes with a request id. A
 * change that could have one and has none gets one, so that every attempt is the same request.
 */
export function retrying(options: RetryOptions = {}): Interceptor {
  const attempts = options.attempts ?? attemptsDefault;
  const pauseMs = options.pauseMs ?? pauseDefaultMs;
  return (next) => async (req) => {
    if (req.stream) {
      return next(req); // see subscribe
    }
    const named = ensureRequestId(req.method.input, req.message, req.header);
    const safe = named || req.method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
    for (let attempt = 1; ; attempt++) {
      try {
        return await next(req);
      } catch (thrown) {
        if (!safe || attempt >= attempts || !isTransient(thrown) || req.signal.aborted) {
          throw thrown;
        }
        await pause(pauseBefore(attempt, pauseMs, problemOf(thrown).retryAfterMs), req.signal);
      }
    }
  };
}

/** Gives a change its request id, unless it has one, and reports whether it has one then. */
function ensureRequestId(schema: DescMessage, message: Message, header: Headers): boolean {
  if (header.has("Idempotency-Key")) {
    return true;
  }
  const field = schema.field["requestId"];
  if (field?.fieldKind !== "scalar") {
    return false;
  }
  const open = reflect(schema, message);
  if (open.get(field) === "") {
    open.set(field, newRequestId());
  }
  return true;
}

/** The pause before the next attempt: what the platform asks for or twice the last one, whichever is longer, and up to half of it again, so that many clients do not come at once. */
export function pauseBefore(attempt: number, pauseMs: number, askedMs = 0): number {
  const least = Math.min(pauseMaxMs, Math.max(askedMs, pauseMs * 2 ** (attempt - 1)));
  return least * (1 + Math.random() / 2);
}

/** Waits, or throws the signal's reason as soon as it is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const ended = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", ended);
      resolve();
    }, ms);
    signal?.addEventListener("abort", ended, { once: true });
  });
}
