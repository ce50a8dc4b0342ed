// A guest's story against the real server: from an empty folder to a canceled reservation, by this package alone, with a restart in the midst of it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import * as lodge from "../src/index.js";
import { type Server, startServer } from "./server.js";

const stayPrice = "372.00"; // three nights of 120, and 2 for each of two guests and each night
const wait = { seconds: 25n }; // comes as soon as it can: only how long a slow machine may take

let server: Server;
let client: lodge.Lodge;
before(async () => {
  server = await startServer();
  client = lodge.createLodge({ baseUrl: server.baseUrl });
});
after(async () => {
  const code = await server.stop();
  server.remove();
  assert.equal(code, 0);
});

/** The day so many days from now, in the hotel's calendar: Reykjavik's is UTC's. */
function day(n: number): lodge.CalendarDate {
  return lodge.date(new Date(Date.now() + n * 86_400_000).toISOString().slice(0, 10));
}

const hotel = "hotels/ritz";
const double = `${hotel}/roomTypes/double`;
const flexible = `${hotel}/ratePlans/flexible`;
let sold = ""; // the position of the last thing that the guest's search must have seen

test("a hotel opens", async () => {
  await client.hotel.createHotel({
    hotelId: "ritz",
    hotel: {
      displayName: "The Ritz", timeZone: "Atlantic/Reykjavik", currencyCode: "EUR", address: { city: "Reykjavik", countryCode: "IS" },
      taxes: [{ taxId: "city", displayName: "City tax", amount: { case: "guestNight", value: lodge.money("EUR", "2") } }],
    },
  });
  await client.hotel.createRoomType({ parent: hotel, roomTypeId: "double", roomType: { displayName: "Double", maxGuests: 2, baseRate: lodge.money("EUR", "100") } });
  const plan = await lodge.committed((o) =>
    client.rate.createRatePlan({ parent: hotel, ratePlanId: "flexible", ratePlan: { displayName: "Flexible", cancellation: { freeDays: 1, freeUntilHour: 18, fee: { fee: { case: "nights", value: 1 } } } } }, o),
  );
  const range = { startDate: day(0), endDate: day(60) };
  await client.rate.setRates({ ratePlan: flexible, roomType: double, nightlyRate: lodge.money("EUR", "120"), ...range });
  sold = (await lodge.committed((o) => client.inventory.setInventory({ roomType: double, physicalCount: 2, ...range }, o))).position;
  assert.match(sold, /^inventory\/\d+@\d+$/);
  await client.rate.getRatePlan({ name: flexible, minPosition: plan.position });
});

const stay = { checkInDate: day(10), checkOutDate: day(13) };
let ada = "";

test("Ada searches, and gets a quote", async () => {
  await client.inventory.listInventory({ parent: double, minPosition: sold });
  const found = await client.availability.searchHotels({ place: "reykjavik", adults: 2, ...stay });
  assert.equal(found.offers.length, 1);
  const nowhere = await client.availability.searchHotels({ place: "atlantis", adults: 2, ...stay });
  assert.equal(nowhere.offers.length, 0);
  const quote = await client.rate.quoteStay({ roomType: double, ratePlan: flexible, adults: 2, ...stay });
  assert.ok(quote.total);
  assert.equal(lodge.formatAmount(quote.total), stayPrice);
  const reserved = await lodge.committed((o) =>
    client.reservation.createReservation({ parent: hotel, quote: quote.token, reservation: { roomType: double, ratePlan: flexible, quantity: 1, guest: { guestId: "ada", displayName: "Ada", adults: 2 }, ...stay } }, o),
  );
  assert.equal(reserved.replayed, false);
  assert.match(reserved.position, /^bookings\/\d+@\d+$/);
  ada = reserved.answer.name;
  assert.equal(reserved.answer.status, lodge.ReservationStatus.PENDING);
  assert.equal(amount(reserved.answer.total), stayPrice);
});

function amount(m: lodge.Money | undefined): string {
  assert.ok(m);
  return lodge.formatAmount(m);
}

test("the same request again changes nothing", async () => {
  const requestId = lodge.newRequestId();
  const request = { parent: hotel, requestId, reservation: { roomType: double, quantity: 1, guest: { displayName: "Bob", adults: 1 }, checkInDate: day(20), checkOutDate: day(21) } };
  const first = await lodge.committed((o) => client.reservation.createReservation(request, o));
  const again = await lodge.committed((o) => client.reservation.createReservation(request, o));
  assert.deepEqual([again.answer.name, again.position, again.replayed], [first.answer.name, first.position, true]);
  await assert.rejects(client.reservation.createReservation({ ...request, reservation: { ...request.reservation, quantity: 2 } }), (e) => lodge.hasReason(e, "IDEMPOTENCY_KEY_REUSED"));
});

test("an answer that is lost is asked for again, and nothing happens twice", async () => {
  let lost = 0;
  const unlucky = lodge.createLodge({
    baseUrl: server.baseUrl,
    retry: { pauseMs: 1 },
    fetch: async (...request) => {
      const answer = await fetch(...request);
      if (lost++ < 2) {
        await answer.arrayBuffer();
        throw new TypeError("the connection is lost");
      }
      return answer;
    },
  });
  const reserved = await lodge.committed((o) =>
    unlucky.reservation.createReservation({ parent: hotel, reservation: { roomType: double, quantity: 1, guest: { displayName: "Cy", adults: 1 }, checkInDate: day(30), checkOutDate: day(31) } }, o),
  );
  assert.equal(lost, 3);
  assert.equal(reserved.replayed, true);
  const held = await client.reservation.listReservations({ parent: hotel, checkInStartDate: day(30), checkInEndDate: day(31), minPosition: reserved.position });
  assert.deepEqual(held.reservations.map((r) => r.name), [reserved.answer.name]);
});

test("what is not safe to send twice is sent once", async () => {
  await client.admin.createTopic({ topicId: "letters", topic: { partitionCount: 1 } });
  let sent = 0;
  const unlucky = lodge.createLodge({
    baseUrl: server.baseUrl,
    fetch: async () => {
      sent++;
      throw new TypeError("the connection is lost");
    },
  });
  await assert.rejects(unlucky.queue.deleteQueue({ name: "queues/none" }));
  assert.equal(sent, 1);
});

test("errors say why to programs", async () => {
  const request = { parent: hotel, reservation: { roomType: double, quantity: 3, guest: { displayName: "Dan", adults: 3 }, ...stay } };
  const sold = lodge.problemOf(await client.reservation.createReservation(request).catch((e: unknown) => e));
  assert.equal(sold.reason, "SOLD_OUT");
  assert.equal(sold.metadata["nights"], [10, 11, 12].map((n) => lodge.formatDate(day(n))).join(","));
  assert.equal(sold.retryAfterMs, undefined);
  const bad = lodge.problemOf(await client.reservation.createReservation({ parent: hotel }).catch((e: unknown) => e));
  assert.equal(bad.reason, "INVALID_ARGUMENT");
  assert.deepEqual(bad.violations.map((v) => v.field), ["reservation"]);
  assert.ok(lodge.hasReason(await client.hotel.getHotel({ name: "hotels/none" }).catch((e: unknown) => e), "HOTEL_NOT_FOUND", "HOTEL_ARCHIVED"));
  const gone = lodge.createLodge({ baseUrl: "http://127.0.0.1:1", retry: { attempts: 2, pauseMs: 1 } });
  const lost = await gone.hotel.listHotels({}).catch((e: unknown) => e);
  assert.equal(lodge.problemOf(lost).reason, undefined);
  assert.ok(lodge.isTransient(lost));
});

test("Ada pays, changes her mind, and cancels", async () => {
  const payment = await client.payment.payReservation({ name: ada, paymentMethod: "tok_approve", wait });
  assert.equal(payment.status, lodge.PaymentStatus.CAPTURED);
  assert.equal(amount(payment.amount), stayPrice);
  assert.equal((await client.reservation.getReservation({ name: ada, settleWait: wait })).status, lodge.ReservationStatus.PAID);
  const shorter = await client.reservation.updateReservation({ reservation: { name: ada, checkInDate: day(10), checkOutDate: day(12) }, updateMask: { paths: ["check_in_date", "check_out_date"] } });
  assert.equal(amount(shorter.total), "248.00");
  const settled = await client.reservation.getReservation({ name: ada, settleWait: wait });
  assert.equal(amount(settled.amounts?.captured), stayPrice);
  assert.equal(amount(settled.amounts?.refunded), "124.00");
  const quote = await client.payment.quoteCancellation({ name: ada });
  assert.equal(amount(quote.refund), "248.00"); // ten days before it is free
  await client.reservation.cancelReservation({ name: ada, note: "rain" });
  const ended = await client.reservation.getReservation({ name: ada, settleWait: wait });
  assert.equal(ended.status, lodge.ReservationStatus.REFUNDED);
  assert.equal(amount(ended.amounts?.refunded), stayPrice);
});

test("her events come in order, and go on behind a cursor after a restart", async () => {
  const seen: string[] = [];
  const ending = new AbortController();
  let cursor: lodge.Cursor | undefined;
  let restarted = false;
  const start = { case: "beginning", value: {} } as const;
  for await (const arrival of lodge.subscribe(client.event, { topic: "bookings", keys: ["ritz"], start }, { signal: ending.signal, pauseMs: 10 })) {
    if (arrival.event !== undefined) {
      const { event } = arrival;
      assert.ok(event.data);
      const data = anyUnpack(event.data, lodge.eventTypes);
      assert.ok(data, event.data.typeUrl);
      if (ofAda(event.type, data)) {
        seen.push(event.type);
      }
      if (event.type === "lodge.reservation.paid.v1" && cursor === undefined) {
        cursor = arrival.cursor;
      }
      if (restarted) {
        ending.abort();
      }
    }
    if (arrival.caughtUp && !restarted) {
      restarted = true;
      assert.equal(await server.stop(), 0); // the stream ends, and is made again from where it was
      await server.restart();
      await client.reservation.createReservation({ parent: hotel, reservation: { roomType: double, quantity: 1, guest: { displayName: "Eve", adults: 1 }, checkInDate: day(40), checkOutDate: day(41) } });
    }
  }
  assert.ok(restarted);
  const hers = ["placed", "paid", "modified", "canceled", "refunded"].map((what) => `lodge.reservation.${what}.v1`);
  assert.deepEqual(seen, hers);

  assert.ok(cursor);
  const rest: string[] = [];
  for await (const arrival of lodge.subscribe(client.event, { topic: "bookings", keys: ["ritz"], start: { case: "cursor", value: cursor } })) {
    if (arrival.event?.data && ofAda(arrival.event.type, anyUnpack(arrival.event.data, lodge.eventTypes))) {
      rest.push(arrival.event.type);
    }
    if (arrival.caughtUp) {
      break;
    }
  }
  assert.deepEqual(rest, hers.slice(2));
});

/** Reports whether an event is of Ada's reservation. */
function ofAda(type: string, data: unknown): boolean {
  assert.match(type, /^lodge\./);
  return typeof data === "object" && data !== null && "reservationId" in data && ada.endsWith(String(data.reservationId));
}

test("JSON says the same as protobuf", async () => {
  const inJson = lodge.createLodge({ baseUrl: server.baseUrl, json: true });
  assert.deepEqual(await inJson.reservation.getReservation({ name: ada }), await client.reservation.getReservation({ name: ada }));
  assert.deepEqual(await inJson.reservation.listReservationEvents({ parent: ada }), await client.reservation.listReservationEvents({ parent: ada }));
});

test("every service has its client", () => {
  const services = Object.keys(lodge).filter((name) => name.endsWith("Service"));
  assert.ok(services.length >= 18);
  assert.deepEqual(Object.keys(client).sort(), services.map((name) => name.charAt(0).toLowerCase() + name.slice(1, -"Service".length)).sort());
});
