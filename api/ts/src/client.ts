// The way in: a transport to a server, and a client for each of its services.
import { createRegistry, type DescService } from "@bufbuild/protobuf";
import { type CallOptions, type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { file_lodge_events_v1_events } from "./gen/lodge/events/v1/events_pb.js";
import * as v1 from "./gen/lodge/v1/index.js";
import { retrying, type RetryOptions } from "./retry.js";

/** How to reach a server. */
export interface LodgeOptions {
  /** Where it is, as in https://lodge.example. */
  baseUrl: string;
  /** What to show in Authorization, or where to get it for each call. None: nobody in particular. */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** How calls are tried again. */
  retry?: RetryOptions;
  /** How long a call may take that says nothing else, in milliseconds: 30,000, unless told. Streams have no end of their own. */
  timeoutMs?: number;
  /** JSON instead of protobuf, to be read in a browser's developer tools. */
  json?: boolean;
  /** Further interceptors, around those of this package. */
  interceptors?: Interceptor[];
  /** Instead of the global fetch. */
  fetch?: typeof globalThis.fetch;
}

/** The types that events may have: what Any needs to be read, and anyUnpack. */
export const eventTypes = createRegistry(file_lodge_events_v1_events);

const timeoutDefaultMs = 30_000;

/** Makes a transport for createClient: who uses few services and bundles for a browser needs no more than theirs. */
export function lodgeTransport(options: LodgeOptions): Transport {
  const { baseUrl, token, retry, json = false, timeoutMs = timeoutDefaultMs, interceptors = [], fetch } = options;
  return createConnectTransport({
    baseUrl,
    useBinaryFormat: !json,
    jsonOptions: { registry: eventTypes },
    interceptors: [...interceptors, limited(timeoutMs), retrying(retry), ...(token === undefined ? [] : [authorized(token)])],
    ...(fetch && { fetch }),
  });
}

function authorized(token: NonNullable<LodgeOptions["token"]>): Interceptor {
  return (next) => async (req) => {
    const shown = typeof token === "string" ? token : await token();
    if (shown !== undefined && !req.header.has("Authorization")) {
      req.header.set("Authorization", `Bearer ${shown}`);
    }
    return next(req);
  };
}

/** Gives unary calls an end: the transport's own default would end streams too. */
function limited(timeoutMs: number): Interceptor {
  return (next) => async (req) => {
    if (req.stream || timeoutMs <= 0) {
      return next(req);
    }
    const over = new AbortController();
    const stop = () => over.abort(req.signal.reason);
    const timer = setTimeout(() => over.abort(new DOMException("the call took too long", "TimeoutError")), timeoutMs);
    req.signal.addEventListener("abort", stop, { once: true });
    try {
      return await next({ ...req, signal: over.signal });
    } finally {
      clearTimeout(timer);
      req.signal.removeEventListener("abort", stop);
    }
  };
}

/** A client for each service, by its name without Service: lodge.reservation, lodge.waitingList, lodge.message. */
export type Lodge = {
  readonly [Name in keyof typeof v1 as Name extends `${infer Short}Service` ? Uncapitalize<Short> : never]: (typeof v1)[Name] extends DescService
    ? Client<(typeof v1)[Name]>
    : never;
};

/** Makes a client for each service of a server. It opens no connection before the first call. */
export function createLodge(options: LodgeOptions): Lodge {
  const transport = lodgeTransport(options);
  const clients: { [name: string]: Client<DescService> } = {};
  for (const [name, exported] of Object.entries(v1)) {
    if (isService(exported)) {
      const short = name.slice(0, -"Service".length);
      clients[short.charAt(0).toLowerCase() + short.slice(1)] = createClient(exported, transport);
    }
  }
  return clients as unknown as Lodge; // as the type above takes their names apart
}

function isService(exported: object): exported is DescService {
  return "kind" in exported && exported.kind === "service";
}

/** An answer, and where the change that it tells of lies in the log. */
export interface Committed<T> {
  answer: T;
  /** topic/partition@offset: as minPosition of a query it makes sure that the query sees the change. Empty: nothing was changed. */
  position: string;
  /** The answer was given before, to the same request id. */
  replayed: boolean;
}

/** Makes a call and says where its change lies: committed((o) => lodge.reservation.createReservation(request, o)). */
export async function committed<T>(call: (options: CallOptions) => Promise<T>): Promise<Committed<T>> {
  let position = "";
  let replayed = false;
  const answer = await call({
    onHeader: (header) => {
      position = header.get("Lodge-Position") ?? "";
      replayed = header.get("Lodge-Replayed") === "true";
    },
  });
  return { answer, position, replayed };
}
