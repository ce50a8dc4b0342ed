#!/usr/bin/env bash
# A guest's and a hotel's life by curl alone, from an empty folder to check-out, refund, no-show, walk and waiting list, with what each step must answer.
#
#   life.sh SOCKET      SOCKET is DIR/lodge.sock of a running "lodge serve --data DIR": days pass as the script says (Lodge-Command-Time)
#
# It needs nothing but bash, curl, sed, grep and date. life_test.go runs it, and does the same again with the Go client.
set -euo pipefail
socket=$1
export TZ=UTC # the hotel's calendar: Reykjavik has no summer time
today=$(date +%F)

# ---- how the script asks and compares

# call METHOD PATH [BODY] sends one request. at is the time of the command, if it is not now. It sets status, answer and position.
call() {
  local headers=(-H 'Content-Type: application/json')
  [ -z "${at-}" ] || headers+=(-H "Lodge-Command-Time: $at")
  status=$(curl -sS --max-time 60 --unix-socket "$socket" -X "$1" "http://lodge/v1/$2" "${headers[@]}" ${3+-d "$3"} \
    -o "$work/answer" -D "$work/headers" -w '%{http_code}')
  answer=$(tr -d '\n' <"$work/answer")
  position=$(sed -n 's/^lodge-position: *\([^\r]*\).*/\1/Ip' "$work/headers")
  steps=$((steps + 1))
}

# ok METHOD PATH [BODY] is a call that must succeed.
ok() { call "$@"; [ "$status" = 200 ] || fail "HTTP $status"; }

# refused REASON METHOD PATH [BODY] is a call that must not.
refused() {
  local reason=$1
  shift
  call "$@"
  [ "$status" != 200 ] || fail "it was not refused with $reason"
  [[ $answer =~ \"reason\":\ *\"$reason\" ]] || fail "it was refused, but not with $reason"
}

# value NAME prints the first text, number or flag of that name in the answer; money NAME the last amount, as in 12.50.
value() { sed -En "s/\"$1\": */\n&/; s/^[^\n]*\n\"$1\": *\"?([^\",}]*).*/\1/p" <<<"$answer"; }
money() {
  local amount units nanos
  amount=$(sed -En "s/.*\"$1\": *(\{[^}]*\}).*/\1/p" <<<"$answer")
  [ -n "$amount" ] || { echo none; return; }
  units=$(sed -En 's/.*"units": *"([^"]*)".*/\1/p' <<<"$amount")
  nanos=$(sed -En 's/.*"nanos": *([0-9]*).*/\1/p' <<<"$amount")
  printf '%d.%02d\n' "${units:-0}" "$((${nanos:-0} / 10000000))"
}

is() { [ "$(value "$1")" = "$2" ] || fail "$1 is $(value "$1"), not $2"; }
# What has money to give back is CANCELED at once and REFUNDED when that is done, which may be before the answer is read.
ended() { [[ $(value status) =~ ^RESERVATION_STATUS_(CANCELED|REFUNDED)$ ]] || fail "status is $(value status)"; }
costs() { [ "$(money "$1")" = "$2" ] || fail "$1 is $(money "$1"), not $2"; }
count() { local n; n=$({ grep -o "$1" <<<"$answer" || true; } | wc -l); [ "$n" -eq "$2" ] || fail "$n times $1, not $2"; }
fail() { echo "line $(caller 1 | cut -d' ' -f1): $1; HTTP $status: $answer" >&2; exit 1; }

# day N prints the day N days from today: as JSON, as query parameters, or with an hour as a command's time.
day() { date -d "$today +$1 days" +'{"year":%Y,"month":%-m,"day":%-d}'; }
query() { date -d "$today +$2 days" +"$1.year=%Y&$1.month=%-m&$1.day=%-d"; }
hour() { date -d "$today +$1 days" +"%FT$2:00Z"; }
nights() { echo "\"checkInDate\":$(day "$1"),\"checkOutDate\":$(day "$2")"; }

# reserve GUEST TYPE FROM TO reserves a room for two under the rate plan, and sets name.
reserve() {
  ok POST hotels/ritz/reservations "{\"roomType\":\"hotels/ritz/roomTypes/$2\",\"quantity\":1,\"ratePlan\":\"hotels/ritz/ratePlans/flexible\",
    \"guest\":{\"guestId\":\"$1\",\"displayName\":\"$1\",\"adults\":2},$(nights "$3" "$4")}"
  is status RESERVATION_STATUS_PENDING
  name=$(value name)
}

# pay NAME METHOD waits for what the provider says. settled NAME reads a reservation once its money is where it belongs.
pay() { ok POST "$1:pay" "{\"paymentMethod\":\"$2\",\"wait\":\"25s\"}"; }
settled() { ok GET "$1?settleWait=25s"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
steps=0

echo '== a hotel opens'
ok GET hotels
count '"name"' 0
ok POST 'hotels?hotelId=ritz' '{"displayName":"The Ritz","timeZone":"Atlantic/Reykjavik","currencyCode":"EUR","address":{"city":"Reykjavik","countryCode":"IS"},
  "taxes":[{"taxId":"city","displayName":"City tax","guestNight":{"currencyCode":"EUR","units":"2"}}]}'
refused HOTEL_EXISTS POST 'hotels?hotelId=ritz' '{"displayName":"Another","timeZone":"UTC","currencyCode":"EUR"}'
ok PATCH 'hotels/ritz?updateMask=description' '{"description":"By the harbour"}'
is description 'By the harbour'
for type in double suite attic; do
  ok POST "hotels/ritz/roomTypes?roomTypeId=$type" "{\"displayName\":\"$type\",\"maxGuests\":2,\"baseRate\":{\"currencyCode\":\"EUR\",\"units\":\"100\"}}"
done
ok DELETE hotels/ritz/roomTypes/attic # sold no more, never forgotten
is archived true
for room in 101:double 102:double 103:double 201:suite; do
  ok POST "hotels/ritz/rooms?roomId=${room%:*}" "{\"roomType\":\"hotels/ritz/roomTypes/${room#*:}\",\"displayName\":\"${room%:*}\"}"
done
is etag 1
ok PATCH 'hotels/ritz/rooms/201?updateMask=floor' '{"floor":"2","etag":"1"}'
refused ETAG_MISMATCH PATCH 'hotels/ritz/rooms/201?updateMask=floor' '{"floor":"3","etag":"1"}'
ok DELETE hotels/ritz/rooms/103
ok GET "hotels/ritz/rooms?minPosition=$position"
count '"displayName"' 3
ok POST 'hotels/ritz/ratePlans?ratePlanId=flexible' '{"displayName":"Flexible","cancellation":{"freeDays":1,"freeUntilHour":18,"fee":{"nights":1},
  "noShowFee":{"percentThousandths":100000}}}'
plans=$position
for rate in double:120:2 suite:200:1; do
  IFS=: read -r type price rooms <<<"$rate"
  range="\"startDate\":$(day 0),\"endDate\":$(day 60)"
  ok POST "hotels/ritz/ratePlans/flexible:setRates" "{\"roomType\":\"hotels/ritz/roomTypes/$type\",$range,\"nightlyRate\":{\"currencyCode\":\"EUR\",\"units\":\"$price\"}}"
  ok POST "hotels/ritz/roomTypes/$type:setInventory" "{$range,\"physicalCount\":$rooms}"
done
ok GET "hotels/ritz/ratePlans/flexible?minPosition=$plans" # both have arrived where quotes are priced
ok GET "hotels/ritz/roomTypes/suite/inventory?minPosition=$position&$(query startDate 0)&$(query endDate 2)"

echo '== Ada books at a quoted price, pays, and changes her mind twice'
ok GET "hotels/ritz/roomTypes/double:quoteStay?ratePlan=hotels/ritz/ratePlans/flexible&adults=2&$(query checkInDate 10)&$(query checkOutDate 13)"
costs total 372.00 # three nights of 120, and 2 for each guest and night
quote=$(value token)
refused OCCUPANCY_EXCEEDED GET "hotels/ritz/roomTypes/double:quoteStay?adults=2&children=1&$(query checkInDate 10)&$(query checkOutDate 13)"
refused OCCUPANCY_EXCEEDED POST hotels/ritz/reservations "{\"roomType\":\"hotels/ritz/roomTypes/double\",\"quantity\":1,\"guest\":{\"displayName\":\"Ada\",\"adults\":3},$(nights 10 13)}"
ok POST "hotels/ritz/reservations?quote=$quote" "{\"roomType\":\"hotels/ritz/roomTypes/double\",\"quantity\":1,\"ratePlan\":\"hotels/ritz/ratePlans/flexible\",
  \"guest\":{\"guestId\":\"ada\",\"displayName\":\"Ada\",\"adults\":2},$(nights 10 13)}"
is status RESERVATION_STATUS_PENDING
costs total 372.00
ada=$(value name)
pay "$ada" tok_approve
is status PAYMENT_STATUS_CAPTURED
costs amount 372.00
settled "$ada"
is status RESERVATION_STATUS_PAID
costs captured 372.00
costs balance 0.00
refused NOTHING_DUE POST "$ada:pay" '{"paymentMethod":"tok_approve"}'
ok PATCH "$ada?updateMask=checkInDate,checkOutDate" "{$(nights 10 14)}" # a night more: the difference is charged
costs total 496.00
settled "$ada"
costs captured 496.00
costs balance 0.00
ok PATCH "$ada?updateMask=checkInDate,checkOutDate" "{$(nights 10 12)}" # two nights less: the difference is given back
costs total 248.00
settled "$ada"
is status RESERVATION_STATUS_PAID
costs captured 496.00
costs refunded 248.00
costs refundPending 0.00

echo '== Bob has no money'
reserve bob double 10 12
bob=$name
pay "$bob" tok_decline_insufficient_funds
is status PAYMENT_STATUS_DECLINED
is declineCode insufficient_funds
settled "$bob"
is status RESERVATION_STATUS_REJECTED
is reason RESERVATION_REASON_PAYMENT_DECLINED

echo '== Cy takes the last double; Eve waits for it'
reserve cy double 10 12
cy=$name
pay "$cy" tok_approve
is status PAYMENT_STATUS_CAPTURED
wish="\"roomType\":\"hotels/ritz/roomTypes/double\",\"quantity\":1,\"ratePlan\":\"hotels/ritz/ratePlans/flexible\",\"guest\":{\"guestId\":\"eve\",\"displayName\":\"Eve\",\"adults\":2}"
refused SOLD_OUT POST hotels/ritz/reservations "{$wish,$(nights 10 12)}"
refused ROOMS_AVAILABLE POST hotels/ritz/waitingListEntries "{$wish,$(nights 20 22)}"
ok POST hotels/ritz/waitingListEntries "{$wish,$(nights 10 12)}"
is status WAITING_LIST_STATUS_WAITING
entry=$(value name)
ok GET "$cy:quoteCancellation"
costs kept 0.00
costs refund 248.00
ok DELETE "$cy" # in time: free
ended
is reason RESERVATION_REASON_GUEST_REQUEST
settled "$cy"
is status RESERVATION_STATUS_REFUNDED
costs captured 248.00
costs refunded 248.00
costs fee 0.00

echo '== Dan and Flo book the suite; by then Eve has her offer'
reserve dan suite 10 11
dan=$name
booked=$position
costs total 204.00
pay "$dan" tok_approve
is status PAYMENT_STATUS_CAPTURED
reserve flo suite 12 14
flo=$name
costs total 408.00
pay "$flo" tok_approve
is status PAYMENT_STATUS_CAPTURED
ok GET "$entry?minPosition=$booked"
is status WAITING_LIST_STATUS_OFFERED
eve=$(value reservation)
ok GET "$eve?minPosition=$booked"
is status RESERVATION_STATUS_PENDING
is waitingListEntry "$entry"
costs total 248.00
pay "$eve" tok_approve
is status PAYMENT_STATUS_CAPTURED
settled "$eve"
is status RESERVATION_STATUS_PAID
ok GET "$entry"
is status WAITING_LIST_STATUS_ENDED
is endReason WAITING_LIST_END_REASON_ACCEPTED

echo '== a group has all of its rooms or none'
two() {
  local one="{\"parent\":\"hotels/ritz\",\"reservation\":{\"roomType\":\"hotels/ritz/roomTypes/$1\",\"quantity\":1,\"guest\":{\"displayName\":\"Gil\",\"adults\":1},$(nights "${2:-20}" "${3:-22}")}}"
  echo "{\"requests\":[$one,$one]}"
}
refused SOLD_OUT POST hotels/ritz/reservations:batchCreate "$(two suite)"
is index 1
ok POST hotels/ritz/reservations:batchCreate "$(two double)"
count RESERVATION_STATUS_PENDING 2
ok GET "hotels/ritz/reservations?groupId=$(value groupId)&minPosition=$position"
count '"groupId"' 2
gil=$(value name)
ok POST "$gil:confirm" '{}' # settled at the travel agency
is status RESERVATION_STATUS_PAID
costs settledOutside 204.00
ok POST "$gil:cancel" '{"reason":"RESERVATION_REASON_HOTEL_REQUEST","note":"burst pipe"}'
is status RESERVATION_STATUS_CANCELED
is note 'burst pipe'

echo '== a group pays and is canceled in one call each'
ok POST hotels/ritz/reservations:batchCreate "$(two double 30 32)"
group="\"groupId\":\"$(value groupId)\""
gil=$(value name)
refused RESERVATION_NOT_FOUND POST hotels/ritz/reservations:payGroup '{"groupId":"0190a1b2-0000-7000-8000-00000000dead","paymentMethod":"tok_approve"}'
ok POST hotels/ritz/reservations:payGroup "{$group,\"paymentMethod\":\"tok_approve\"}"
count PAYMENT_STATUS_REQUESTED 2
settled "$gil"
is status RESERVATION_STATUS_PAID
ok POST hotels/ritz/reservations:cancelGroup "{$group,\"reason\":\"RESERVATION_REASON_HOTEL_REQUEST\",\"note\":\"the wedding is off\"}"
count RESERVATION_STATUS_CANCELED 2
settled "$gil"
is status RESERVATION_STATUS_REFUNDED
is note 'the wedding is off'
refused STATUS_CONFLICT POST hotels/ritz/reservations:cancelGroup "{$group}"
refused NOTHING_DUE POST hotels/ritz/reservations:payGroup "{$group,\"paymentMethod\":\"tok_approve\"}"

echo '== the tenth day: arrivals, and Dan does not come'
at=$(hour 10 14:00)
ok GET "hotels/ritz/reservations?stayList=STAY_LIST_ARRIVALS&$(query stayDate 10)"
count '"name"' 3
ok POST "$ada:checkIn" '{"rooms":["hotels/ritz/rooms/102"]}'
is stayStatus STAY_STATUS_CHECKED_IN
count 'hotels/ritz/rooms/102"' 1
refused ROOM_UNAVAILABLE POST "$eve:checkIn" '{"rooms":["hotels/ritz/rooms/102"]}'
ok POST "$eve:checkIn" '{}'
count 'hotels/ritz/rooms/101"' 1
refused STATUS_CONFLICT POST "$ada:cancel" '{}'
at=$(hour 10 23:30)
ok POST "$dan:markNoShow" '{}'
is status RESERVATION_STATUS_CANCELED
is reason RESERVATION_REASON_NO_SHOW
costs captured 204.00
costs fee 204.00
costs refunded 0.00

echo '== the eleventh day: Flo cancels too late, and the first night is kept'
at=$(hour 11 17:59)
ok GET "$flo:quoteCancellation?cancelTime=$at"
costs kept 0.00
at=$(hour 11 18:00)
ok GET "$flo:quoteCancellation?cancelTime=$at"
costs kept 200.00
costs refund 208.00
ok POST "$flo:cancel" '{}'
ended
settled "$flo"
is status RESERVATION_STATUS_REFUNDED
costs captured 408.00
costs refunded 208.00
costs fee 200.00

echo '== the days after: a cold shower, and departure'
at=$(hour 11 08:00)
ok GET "hotels/ritz/reservations?stayList=STAY_LIST_IN_HOUSE&$(query stayDate 11)"
count '"name"' 2
refused REFUND_TOO_LARGE POST "$ada:refund" '{"amount":{"currencyCode":"EUR","units":"249"}}'
ok POST "$ada:refund" '{"amount":{"currencyCode":"EUR","units":"20"},"note":"no hot water"}'
settled "$ada"
is status RESERVATION_STATUS_PAID
costs captured 496.00
costs refunded 268.00
at=$(hour 12 09:00)
ok GET "hotels/ritz/reservations?stayList=STAY_LIST_DEPARTURES&$(query stayDate 12)"
count '"name"' 2
for guest in "$ada" "$eve"; do
  ok POST "$guest:checkOut" '{}'
  is stayStatus STAY_STATUS_CHECKED_OUT
  is status RESERVATION_STATUS_PAID
done
ok GET "$ada/payments" # her folio
count PAYMENT_STATUS_CAPTURED 2
count REFUND_STATUS_SUCCEEDED 3 # 248 of both payments, and 20
costs total 248.00
costs captured 496.00
costs refunded 268.00

echo '== the sixteenth day: one double too many was sold, and Kim owes a night'
at=
ok POST hotels/ritz/roomTypes/double:setInventory "{\"startDate\":$(day 16),\"endDate\":$(day 17),\"overbookingLimit\":1}"
for guest in hal ivy jon; do
  reserve "$guest" double 16 17
  costs total 124.00
  pay "$name" tok_approve
  is status PAYMENT_STATUS_CAPTURED
  declare "$guest=$name"
done
refused SOLD_OUT POST hotels/ritz/reservations "{$wish,$(nights 16 17)}"
reserve kim suite 16 17
kim=$name
ok POST "$kim:confirm" '{}'
ok PATCH "$kim?updateMask=checkInDate,checkOutDate" "{$(nights 16 18)}"
costs total 408.00
costs balance 204.00
at=$(hour 16 15:00)
for guest in "$hal" "$ivy"; do
  ok POST "$guest:checkIn" '{}'
  is stayStatus STAY_STATUS_CHECKED_IN
done
refused ROOM_UNAVAILABLE POST "$jon:checkIn" '{}'
ok POST "$jon:walk" '{"relocatedTo":"Hotel Borg","note":"overbooked"}'
ended
is reason RESERVATION_REASON_WALKED
is relocatedTo 'Hotel Borg'
settled "$jon"
is status RESERVATION_STATUS_REFUNDED
costs captured 124.00
costs refunded 124.00
costs fee 0.00
refused BALANCE_DUE POST "$kim:checkIn" '{}'
ok POST "$kim:checkIn" '{"settledAtHotel":true}'
is stayStatus STAY_STATUS_CHECKED_IN
costs settledOutside 408.00
costs balance 0.00

echo '== the seventeenth day: Kim stays longer, moves, and leaves earlier than that'
at=$(hour 17 11:00)
refused STATUS_CONFLICT PATCH "$kim?updateMask=quantity" '{"quantity":2}'
ok PATCH "$kim?updateMask=checkOutDate" "{\"checkOutDate\":$(day 20)}"
costs total 816.00
costs balance 408.00
refused ROOM_UNAVAILABLE POST "$kim:move" '{"toRoom":"hotels/ritz/rooms/101"}'
ok POST "$hal:checkOut" '{}'
ok POST "$kim:move" '{"toRoom":"hotels/ritz/rooms/101","note":"the suite has a leak"}'
count 'hotels/ritz/rooms/101"' 1
count 'hotels/ritz/rooms/201"' 0
refused BALANCE_DUE POST "$kim:checkOut" '{}'
at=$(hour 19 09:00)
ok PATCH "$kim?updateMask=checkOutDate" "{\"checkOutDate\":$(day 19)}" # today
costs total 612.00
costs balance 204.00
ok POST "$kim:checkOut" '{"settledAtHotel":true}'
is stayStatus STAY_STATUS_CHECKED_OUT
costs settledOutside 612.00
costs balance 0.00

echo '== what the log says of Flo'
ok GET "$flo/events"
for type in placed paid canceled refunded; do
  count "\"lodge.reservation.$type.v1\"" 1
done
echo "$steps steps, each with the answer that it must have"
