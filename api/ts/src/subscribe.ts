// A subscription that goes on after a lost connection, and can go on after the program's end.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { type Client } from "@connectrpc/connect";
import { isTransient, problemOf } from "./errors.js";
import { type Cursor, CursorSchema, type Event, type EventService, type SubscribeRequest, SubscribeRequestSchema, type SubscribeResponse } from "./gen/lodge/v1/event_pb.js";
import { pause, pauseBefore } from "./retry.js";

/** What a subscription gives: an event, or news of how far it has got. */
export type Arrival =
  | { event: Event; cursor: Cursor; caughtUp: boolean }
  /** Nothing matched up to the cursor; or it has caught up with what was there when it began. */
  | { event: undefined; cursor: Cursor; caughtUp: boolean };

/** How a subscription behaves. */
export interface SubscribeOptions {
  /** Ends it. */
  signal?: AbortSignal;
  /** The platform says something at least so often, in milliseconds: 10,000, unless told. After three times that without a word the connection is given up and made again. */
  heartbeatMs?: number;
  /** The first pause before it connects again, in milliseconds: 50, unless told. */
  pauseMs?: number;
}

const heartbeatDefaultMs = 10_000;
const pauseDefaultMs = 50;
const heartbeatsMissed = 3;

/**
 * Follows the events of a topic until the signal is aborted or the loop around it is left. Each arrival's cursor stands behind it: keep the cursor where the event's effect is
 * kept, and begin there the next time, with start: { case: "cursor", value: cursor }. No event is left out; of a partition they come in order, and one that came does not come again
 * while the subscription lasts, however often the connection is lost. Throws what does not go away by trying again.
 */
export async function* subscribe(
  client: Client<typeof EventService>,
  request: MessageInitShape<typeof SubscribeRequestSchema>,
  options: SubscribeOptions = {},
): AsyncGenerator<Arrival, void, undefined> {
  const heartbeatMs = options.heartbeatMs ?? heartbeatDefaultMs;
  const first = create(SubscribeRequestSchema, request);
  first.heartbeatInterval ??= create(DurationSchema, { seconds: BigInt(Math.floor(heartbeatMs / 1000)), nanos: (heartbeatMs % 1000) * 1e6 });
  const place = new Place(first);
  for (let failures = 0; ; ) {
    const connection = new Connection(heartbeatMs * heartbeatsMissed, options.signal);
    try {
      for await (const message of client.subscribe(place.known ? { ...first, start: { case: "cursor", value: place.cursor() } } : first, { signal: connection.signal })) {
        connection.heard();
        failures = 0;
        const arrival = place.take(message);
        if (arrival !== undefined) {
          connection.rest(); // how long the caller works is not the connection's silence
          yield arrival;
          connection.heard();
        }
      }
    } catch (thrown) {
      if (options.signal?.aborted) {
        return;
      }
      if (!isTransient(thrown) && !connection.silent) {
        throw thrown;
      }
      failures++;
      await pause(pauseBefore(failures, options.pauseMs ?? pauseDefaultMs, problemOf(thrown).retryAfterMs), options.signal).catch(() => undefined);
    } finally {
      connection.close();
    }
    if (options.signal?.aborted) {
      return;
    }
  }
}

/** How far a subscription has got in each partition. */
class Place {
  private readonly next = new Map<string, bigint>();
  private caughtUp = false;

  constructor({ start }: SubscribeRequest) {
    for (const position of start.case === "cursor" ? start.value.positions : start.case === "position" ? [start.value] : []) {
      this.next.set(...parsePosition(position));
    }
  }

  /** Every partition of the subscription is here: the caller has named them, or the platform has in its first message. */
  get known(): boolean {
    return this.next.size > 0;
  }

  cursor(): Cursor {
    return create(CursorSchema, { positions: [...this.next].map(([partition, offset]) => `${partition}@${offset}`) });
  }

  take({ message }: SubscribeResponse): Arrival | undefined {
    switch (message.case) {
      case "event": {
        const [partition, offset] = parsePosition(message.value.position);
        this.next.set(partition, offset + 1n);
        return { event: message.value, cursor: this.cursor(), caughtUp: this.caughtUp };
      }
      case "caughtUp":
      case "heartbeat":
        for (const position of message.value.cursor?.positions ?? []) {
          this.next.set(...parsePosition(position));
        }
        this.caughtUp ||= message.case === "caughtUp";
        return { event: undefined, cursor: this.cursor(), caughtUp: this.caughtUp };
      case undefined:
        return undefined; // of a newer server
    }
  }
}

/** Reads topic/partition@offset. */
function parsePosition(position: string): [partition: string, offset: bigint] {
  const at = position.lastIndexOf("@");
  if (at < 1 || !/^\d+$/.test(position.slice(at + 1))) {
    throw new RangeError(`${position} is not a position`);
  }
  return [position.slice(0, at), BigInt(position.slice(at + 1))];
}

/** The signal of one connection: aborted with the caller's, or when nothing was heard for too long. */
class Connection {
  silent = false;
  private readonly controller = new AbortController();
  private readonly stop = () => this.controller.abort(this.outer?.reason);
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly silenceMs: number,
    private readonly outer: AbortSignal | undefined,
  ) {
    outer?.addEventListener("abort", this.stop, { once: true });
    if (outer?.aborted) {
      this.stop();
    }
    this.heard();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  heard(): void {
    this.rest();
    this.timer = setTimeout(() => {
      this.silent = true;
      this.controller.abort(new DOMException("the connection is silent", "TimeoutError"));
    }, this.silenceMs);
  }

  rest(): void {
    clearTimeout(this.timer);
  }

  close(): void {
    this.rest();
    this.outer?.removeEventListener("abort", this.stop);
    this.controller.abort();
  }
}
