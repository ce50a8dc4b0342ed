import { committed, createLodge, date, formatAmount, hasReason, subscribe } from "../src/index.js";

const lodge = createLodge({ baseUrl: "http://localhost:8080", token: () => sessionStorage.getItem("token") ?? undefined });

const stay = { checkInDate: date("2026-07-10"), checkOutDate: date("2026-07-13") };
const { offers } = await lodge.availability.searchHotels({ city: "Lisbon", adults: 2, ...stay });
console.log(offers.length, "hotels");

const guest = { displayName: "Ada", email: "ada@example.com", adults: 2 };
try {
  const { answer, position } = await committed((options) =>
    lodge.reservation.createReservation({ parent: "hotels/casa", reservation: { roomType: "hotels/casa/roomTypes/double", quantity: 1, guest, ...stay } }, options),
  );
  console.log(answer.name, answer.total && formatAmount(answer.total));
  await lodge.reservation.listReservations({ parent: "hotels/casa", minPosition: position }); // sees it
} catch (e) {
  if (!hasReason(e, "SOLD_OUT", "RESTRICTED")) throw e;
}

for await (const { event, cursor } of subscribe(lodge.event, { topic: "bookings", start: { case: "beginning", value: {} } })) {
  if (event) console.log(event.type, event.hotel, cursor.positions); // keep the cursor with what the event did, and begin there the next time
}
