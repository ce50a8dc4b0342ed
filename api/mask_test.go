package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"lodge/api"
)

// A mask's names may be those of JSON or of the protos, over REST and over Connect, and "*" is all that can be changed.
func TestUpdateMaskInText(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(5)
	const connected = "/lodge.v1.HotelService/UpdateHotel"
	whole := `{"displayName":"Ritz","description":"grand","timeZone":"Europe/Lisbon","holdDuration":"600s"`
	for _, c := range []struct {
		query, mask string // over REST, over Connect
		want        string // what becomes of displayName, description and holdDuration
	}{
		{"updateMask=*", `"*"`, "Ritz grand 600s"},
		{"update_mask=*", `"*"`, "Ritz grand 600s"},
		{"updateMask.paths=*", `"*"`, "Ritz grand 600s"},
		{"updateMask=display_name", `"display_name"`, "Ritz old 900s"},
		{"updateMask=displayName", `"displayName"`, "Ritz old 900s"},
		{"updateMask.paths=displayName&updateMask.paths=hold_duration", `"displayName,hold_duration"`, "Ritz old 600s"},
		{"updateMask=hold_duration,%20description", `"hold_duration, description"`, "RITZ grand 600s"},
		{"updateMask=", `""`, "Ritz grand 600s"},
		{"", `null`, "Ritz grand 600s"},
	} {
		for _, way := range []struct{ method, path, body string }{
			{http.MethodPatch, "/v1/hotels/ritz?" + c.query, whole + `}`},
			{http.MethodPost, connected, `{"updateMask" : ` + c.mask + `,"hotel":` + whole + `,"name":"hotels/ritz"}}`},
			{http.MethodPost, connected, `{"hotel":` + whole + `,"name":"hotels/ritz"},"update_mask":` + c.mask + `}`},
		} {
			if status, _, body := s.rest(http.MethodPatch, "/v1/hotels/ritz", `{"displayName":"RITZ","description":"old","holdDuration":"900s"}`); status != http.StatusOK {
				t.Fatal(body)
			}
			status, got := s.fetch(way.method, way.path, way.body)
			if have := fmt.Sprint(got["displayName"], " ", got["description"], " ", got["holdDuration"]); status != http.StatusOK || have != c.want {
				t.Errorf("%s %s %s: %d %q, want %q", way.method, way.path, way.body, status, have, c.want)
			}
		}
	}
}

func TestUpdateMaskOfWhatCannotBeChanged(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(5)
	before := s.eventCount()
	const connected = "/lodge.v1.HotelService/UpdateHotel"
	for _, mask := range []string{"stars", "displayNam", "display_nam", "currencyCode", "displayName,stars", "*,stars", "address.city", "displayName,", "guest.*"} {
		paths := strings.Split(mask, ",")
		named := strings.NewReplacer("currencyCode", "currency_code").Replace(paths[len(paths)-1])
		want := fmt.Sprintf("%q is not one of the fields that can be changed: display_name, description,", named)
		status, _, body := s.rest(http.MethodPatch, "/v1/hotels/ritz?updateMask="+mask, `{"displayName":"x"}`)
		if _, reason, fields := faultOf(t, body); status != http.StatusBadRequest || reason != "INVALID_FIELD_MASK" || fields != "update_mask;" || !strings.Contains(body, strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%s: %d %s", mask, status, body)
		}
		status, got := s.fetch(http.MethodPost, connected, fmt.Sprintf(`{"hotel":{"name":"hotels/ritz","displayName":"x"},"updateMask":%q}`, mask))
		if text := fmt.Sprint(got["message"]); status != http.StatusBadRequest || !strings.Contains(text, want) {
			t.Errorf("%s: %d %v", mask, status, got)
		}
	}
	for _, body := range []string{
		`{"hotel":{"name":"hotels/ritz","displayName":"x"},"updateMask":"*","update_mask":"*"}`,
		`{"hotel":{"name":"hotels/ritz","displayName":"x"},"updateMask":"*","updateMask":"*"}`,
		`{"hotel":{"name":"hotels/ritz","displayName":"x"},"updateMask":["*"]}`,
		`{"hotel":{"name":"hotels/ritz","displayName":"x"},"updateMask":{"paths":["*"]}}`,
		`{"hotel":{"name":"hotels/ritz","displayName":"x"},"updateMask":"*"`,
		`{"hotel":{"name":"hotels/ritz","displayName":"x"},"updateMask":"*","stars":5}`,
		`{"hotel":{"name":"hotels/ritz","displayName":"x"},"updateMask":"*"}}`,
		`{"hotel":{"name":"hotels/ritz","displayName":"x","updateMask":"*"}}`,
		`["updateMask","*"]`,
		`"updateMask"`,
		`{"updateMask"`,
	} {
		if status, got := s.fetch(http.MethodPost, connected, body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %v", body, status, got)
		}
	}
	if n := s.eventCount(); n != before {
		t.Errorf("refused requests made %d events", n-before)
	}
}

// What a query says is read whole or refused whole, with what would be right.
func TestQueryValues(t *testing.T) {
	s := newStack(t, api.Options{})
	s.seed(5)
	const reservations = "/v1/hotels/ritz/reservations"
	for _, c := range []struct{ path, fields, text string }{
		{"/v1/hotels?pageSize=many", "pageSize;", `query parameter "pageSize": "many" is not a whole number of 32 bits`},
		{"/v1/hotels?pageSize=3000000000", "pageSize;", `"3000000000" is not a whole number of 32 bits`},
		{"/v1/hotels?page_size=", "page_size;", `query parameter "page_size": "" is not a whole number of 32 bits`},
		{"/v1/hotels?pageSize=1&pageSize=2", "pageSize;", `it is there more than once`},
		{"/v1/hotels?pageSize=1&page_size=2", "pageSize;page_size;", `query parameter "page_size": only one of it and pageSize may be there`},
		{"/v1/hotels?showArchived=yes", "showArchived;", `"yes" is not true or false`},
		{"/v1/hotels?pageToken=%ff", "pageToken;", `is not text in UTF-8`},
		{"/v1/hotels?asOfTime=yesterday", "asOfTime;", `"yesterday" is not a time after RFC 3339, as in "2026-07-01T12:00:00Z"`},
		{"/v1/hotels/ritz/reservations/0190a1b2-0000-7000-8000-0000000000aa?settleWait=abcdefgh", "settleWait;", `"abcdefgh" is not a duration in seconds, as in "1.5s"`},
		{reservations + "?asOfTime=2026-07-01T12:00:00Z&asOfPosition=x", "asOfPosition;asOfTime;", `query parameter "asOfTime": only one of it and asOfPosition may be there`},
		{"/v1/hotels/ritz/reservations/0190a1b2-0000-7000-8000-0000000000aa?settleWait.seconds=1", "settleWait.seconds;", `a query says settleWait as a whole: a duration in seconds`},
		{reservations + "?statuses=CONFIRMED", "statuses;", `"CONFIRMED" is not one of RESERVATION_STATUS_UNSPECIFIED, `},
		{reservations + "?statuses=1&statuses=LOST", "statuses;", `"LOST" is not one of `},
		{"/v1/hotels:search?near=Lisbon", "near;", `a query can say its fields only, as in near.x`},
		{"/v1/hotels:search?near.latitude=north", "near.latitude;", `"north" is not a number`},
		{"/v1/hotels?pageSize=a&showArchived=b&stars=5", "pageSize;showArchived;stars;", `"b" is not true or false; query parameter "stars": there is no such query parameter`},
	} {
		status, _, body := s.rest(http.MethodGet, c.path, "")
		_, reason, fields := faultOf(t, body)
		if status != http.StatusBadRequest || reason != "INVALID_ARGUMENT" || fields != c.fields || !strings.Contains(body, strings.Trim(strconv.Quote(c.text), `"`)) {
			t.Errorf("%s: %d %s", c.path, status, body)
		}
	}
	for _, path := range []string{
		"/v1/hotels?pageSize=3&showArchived=true&pageToken=", "/v1/hotels?asOfTime=2026-07-01T12:00:00Z",
		reservations + "?statuses=1&statuses=RESERVATION_STATUS_CANCELED&checkInStartDate.year=2026&checkInStartDate.month=7&checkInStartDate.day=1",
		"/v1/hotels:search?near.latitude=38.7&near.longitude=-9.1&radiusKm=5&checkInDate.year=2026&checkInDate.month=7&checkInDate.day=2&checkOutDate.year=2026&checkOutDate.month=7&checkOutDate.day=4",
	} {
		if status, _, body := s.rest(http.MethodGet, path, ""); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// A change that names no fields refuses those that it cannot change, unless they have their value already: what GET answers may be sent back.
func TestChangeOfWhatCannotBeChanged(t *testing.T) {
	s := newStack(t, api.Options{AuthRequired: true})
	s.seed(5)
	placing := strings.Replace(restStay(t, 1, 2), "{", `{"channel":"web","externalReference":"x-1",`, 1)
	status, _, placed := s.rest(http.MethodPost, "/v1/hotels/ritz/reservations", placing)
	if status != http.StatusOK {
		t.Fatal(placed)
	}
	reservation := "/v1/" + nameIn(t, placed)
	create := func(path, body string) {
		if status, _, answer := s.rest(http.MethodPost, path, body); status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, answer)
		}
	}
	for _, c := range []struct{ path, body string }{
		{"/v1/topics?topicId=orders", `{"partitionCount":2}`},
		{"/v1/hotels/ritz/rooms?roomId=101", `{"displayName":"101","roomType":"hotels/ritz/roomTypes/double"}`},
		{"/v1/hotels/ritz/ratePlans?ratePlanId=flexible", `{"displayName":"Flexible"}`},
		{"/v1/accounts", `{"account":{"email":"staff@example.com","role":"ROLE_STAFF","hotels":["hotels/ritz"]}}`},
	} {
		create(c.path, c.body)
	}
	s.settle()
	_, list := s.fetch(http.MethodGet, "/v1/accounts", "")
	account := "/v1/" + list["accounts"].([]any)[0].(map[string]any)["name"].(string)

	for _, c := range []struct{ path, change, fixed, field string }{
		{"/v1/hotels/ritz", `"displayName":"Ritz"`, `"currencyCode":"USD"`, "hotel.currency_code;"},
		{reservation, `"quantity":1`, `"ratePlan":"hotels/ritz/ratePlans/flexible"`, "reservation.rate_plan;"},
		{reservation, `"quantity":1`, `"channel":"phone"`, "reservation.channel;"},
		{reservation + ":quoteModification", `"quantity":1`, `"externalReference":"x-2"`, "reservation.external_reference;"},
		{"/v1/topics/orders", `"retentionAge":"3600s"`, `"partitionCount":4`, "topic.partition_count;"},
		{"/v1/topics/orders", `"retentionAge":"3600s"`, `"pointToPoint":true`, "topic.point_to_point;"},
		{account, `"label":"Desk"`, `"role":"ROLE_ADMIN"`, "account.role;"},
		{"/v1/hotels/ritz/roomTypes/double", `"maxGuests":3`, "", ""},
		{"/v1/hotels/ritz/rooms/101", `"floor":"1"`, "", ""},
		{"/v1/hotels/ritz/ratePlans/flexible", `"description":"Free to change"`, "", ""},
		{"/v1/queues/jobs", `"deliveriesMax":3`, "", ""},
	} {
		method, resource := http.MethodPatch, c.path
		if before, _, quote := strings.Cut(c.path, ":quote"); quote {
			method, resource = http.MethodPost, before
		}
		if c.path == "/v1/queues/jobs" {
			create("/v1/queues?queueId=jobs", `{"topics":["orders"]}`) // the last one: it writes of itself, behind its answer
		}
		before := s.eventCount()
		for _, mask := range []string{"", "?updateMask=*"} {
			if c.fixed == "" {
				break
			}
			status, _, body := s.rest(method, c.path+mask, "{"+c.change+","+c.fixed+"}")
			if _, reason, fields := faultOf(t, body); status != http.StatusBadRequest || reason != "INVALID_ARGUMENT" || fields != c.field {
				t.Errorf("%s%s %s: %d %s", c.path, mask, c.fixed, status, body)
			}
		}
		if n := s.eventCount(); c.fixed != "" && n != before {
			t.Errorf("%s: a refused change made %d events", c.path, n-before)
		}
		_, _, whole := s.rest(http.MethodGet, resource, "")
		name, _, _ := strings.Cut(c.change, ":")
		whole = regexp.MustCompile(`\s*`+name+`:\s*("[^"]*"|\d+),?`).ReplaceAllString(whole, "")
		whole = strings.Replace(whole, "{", "{"+c.change+",", 1)
		if status, _, body := s.rest(method, c.path, whole); status != http.StatusOK {
			t.Errorf("%s %s: %d %s", c.path, whole, status, body)
		}
		s.settle()
	}
	if status, _, body := s.rest(http.MethodPatch, "/v1/hotels/nowhere", `{"displayName":"x","currencyCode":"EUR"}`); status != http.StatusNotFound {
		t.Errorf("%d %s", status, body)
	}
}
