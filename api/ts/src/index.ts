/**
 * Lodge from TypeScript: every service of the platform as it is in its protos, retries that are safe, subscriptions that go on, and the values and errors in between.
 *
 * @module
 */
export { committed, type Committed, createLodge, eventTypes, type Lodge, type LodgeOptions, lodgeTransport } from "./client.js";
export { type FieldViolation, hasReason, isTransient, type Problem, problemOf, type Reason, reasons } from "./errors.js";
export { retrying, type RetryOptions } from "./retry.js";
export { type Arrival, subscribe, type SubscribeOptions } from "./subscribe.js";
export { type CalendarDate, date, formatAmount, formatDate, money, type Money, newRequestId, sum } from "./values.js";
export * from "./gen/lodge/v1/index.js";
export * as events from "./gen/lodge/events/v1/events_pb.js";
