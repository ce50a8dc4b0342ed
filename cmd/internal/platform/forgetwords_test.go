package platform

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wordsTest writes words of its own, each with a word that nothing else has, into everything that people write of a booking.
type wordsTest struct {
	*testing.T
	p       *Platform
	dir     string
	written int
	booked  []string // names of reservations
}

// word returns a note, a reason or the like that was not there before.
func (w *wordsTest) word() string {
	w.written++
	return fmt.Sprintf("Quartermain said %d", w.written)
}

// call makes a call because of something.
func (w *wordsTest) call(method, path, body string, status int) map[string]any {
	w.Helper()
	return restCall(w.T, w.dir, method, "/v1/"+path, body, status, "Lodge-Reason", w.word())
}

// read reads what there is by now.
func (w *wordsTest) read(path string) map[string]any {
	w.Helper()
	if err := w.p.WaitCaughtUp(w.Context()); err != nil {
		w.Fatal(err)
	}
	return restCall(w.T, w.dir, "GET", "/v1/"+path, "", 200)
}

// book makes a reservation of a guest who has a name or none, pays it by a method if there is one, and returns its name.
func (w *wordsTest) book(name, method string) string {
	w.Helper()
	stay := `"roomType":"hotels/ritz/roomTypes/double","quantity":1,"checkInDate":{"year":2031,"month":7,"day":1},"checkOutDate":{"year":2031,"month":7,"day":3}`
	if name != "" {
		stay += `,"guest":{"displayName":"` + name + `","adults":1}`
	}
	r := w.call("POST", "hotels/ritz/reservations", "{"+stay+"}", 200)["name"].(string)
	w.booked = append(w.booked, r)
	if method != "" {
		w.call("POST", r+":pay", fmt.Sprintf(`{"paymentMethod":%q}`, method), 200)
		w.read(r + "?settleWait=25s")
	}
	return r
}

// live has everything that people write of a booking written.
func (w *wordsTest) live() {
	note := func() string { return fmt.Sprintf(`{"note":%q}`, w.word()) }
	w.call("DELETE", w.book("Zebulon", "")+"?note="+strings.ReplaceAll(w.word(), " ", "%20"), "", 200)
	w.call("POST", w.book("", "")+":cancel", note(), 200) // of who has no name
	walked := w.book("Zebulon", "tok_approve")
	w.call("POST", walked+":walk", fmt.Sprintf(`{"relocatedTo":%q,"note":%q}`, w.word(), w.word()), 200)
	there := w.book("Zebulon", "tok_approve")
	w.call("POST", there+":checkIn", `{}`, 200)
	w.call("POST", there+":move", note(), 200)
	w.call("POST", there+":refund", fmt.Sprintf(`{"amount":{"currencyCode":"EUR","units":1},"note":%q}`, w.word()), 200)
	w.call("POST", there+":move", `{"note":"`+strings.Repeat("x", 2000)+`"}`, 400)
	w.call("POST", there+":cancel", note(), 400) // whoever is there does not cancel: a refusal, on record in the trail
	w.call("POST", there+":checkOut", `{}`, 200)
	w.group()
	w.refused()
}

// group has a group canceled.
func (w *wordsTest) group() {
	one := `{"parent":"hotels/ritz","reservation":{"roomType":"hotels/ritz/roomTypes/double","quantity":1,"checkInDate":{"year":2031,"month":7,"day":1},"checkOutDate":{"year":2031,"month":7,"day":3},"guest":{"displayName":"Zebulon","adults":1}}}`
	made := w.call("POST", "hotels/ritz/reservations:batchCreate", `{"requests":[`+one+`,`+one+`]}`, 200)
	for _, r := range made["reservations"].([]any) {
		w.booked = append(w.booked, r.(map[string]any)["name"].(string))
	}
	id := made["groupId"].(string)
	canceled := w.call("POST", "hotels/ritz/reservations:cancelGroup", fmt.Sprintf(`{"groupId":%q,"note":%q}`, id, w.word()), 200)
	if r := canceled["reservations"].([]any)[0].(map[string]any); !strings.Contains(r["note"].(string), "Quartermain") {
		w.Errorf("the group is canceled as %v", r)
	}
}

// refused has the hotel give back what the provider refuses to.
func (w *wordsTest) refused() {
	r := w.book("Zebulon", "tok_approve_refund_decline")
	w.call("DELETE", r, "", 200)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		paid := w.read(r + "/payments")["payments"].([]any)[0].(map[string]any)
		refunds, _ := paid["refunds"].([]any)
		if len(refunds) > 0 && refunds[0].(map[string]any)["status"] == "REFUND_STATUS_FAILED" {
			settled := w.call("POST", paid["name"].(string)+":settleRefund", fmt.Sprintf(`{"refundId":%q,"method":"REFUND_METHOD_CASH","reference":%q,"note":%q}`,
				refunds[0].(map[string]any)["refundId"], w.word(), w.word()), 200)
			if got := settled["refunds"].([]any)[0].(map[string]any); !strings.Contains(got["note"].(string)+got["reference"].(string), "Quartermain") {
				w.Errorf("it is settled as %v", got)
			}
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("the payment is %v", paid)
		}
		w.read(r + "?settleWait=1s")
	}
}

// told returns which of the words are told by everything that tells of reservations.
func (w *wordsTest) told() []string {
	w.Helper()
	found := map[string]bool{}
	look := func(path string) {
		text, err := json.Marshal(w.read(path))
		if err != nil {
			w.Fatal(err)
		}
		for n := range w.written {
			if word := fmt.Sprintf("Quartermain said %d", n+1); strings.Contains(string(text), word+`"`) {
				found[word] = true
			}
		}
	}
	for _, r := range w.booked {
		for _, path := range []string{r, r + "/events", r + ":history", r + "/payments"} {
			look(path)
		}
	}
	for token := ""; ; {
		page := w.read("auditEntries?pageToken=" + token)
		look("auditEntries?pageToken=" + token)
		if token, _ = page["nextPageToken"].(string); token == "" {
			break
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// TestForgottenWordsAreNowhere writes notes and reasons of every kind, finds them where they are told, forgets the guests, and then looks for them in every file of the folder and in a rebuilt platform.
func TestForgottenWordsAreNowhere(t *testing.T) {
	w := &wordsTest{T: t, dir: t.TempDir()}
	noon, began := time.Date(2031, 7, 1, 12, 0, 0, 0, time.UTC), time.Now()
	opts := Options{Partitions: 2, Clock: func() time.Time { return noon.Add(time.Since(began)) }}
	var stop func()
	w.p, stop = runIn(t, w.dir, opts)
	restCall(t, w.dir, "POST", "/v1/hotels?hotelId=ritz", `{"displayName":"Ritz","timeZone":"UTC","currencyCode":"EUR"}`, 200)
	restCall(t, w.dir, "POST", "/v1/hotels/ritz/roomTypes?roomTypeId=double", `{"displayName":"Double","baseRate":{"currencyCode":"EUR","units":100}}`, 200)
	restCall(t, w.dir, "POST", "/v1/hotels/ritz/roomTypes/double:setInventory",
		`{"startDate":{"year":2031,"month":7,"day":1},"endDate":{"year":2031,"month":8,"day":1},"physicalCount":10}`, 200)
	for _, room := range []string{"1", "2"} {
		restCall(t, w.dir, "POST", "/v1/hotels/ritz/rooms?roomId="+room, `{"roomType":"hotels/ritz/roomTypes/double","displayName":"`+room+`"}`, 200)
	}
	w.live()
	if got, refused := w.told(), 3; len(got) != w.written-refused { // two calls that were refused, one of them with a note
		t.Errorf("of %d that were written %q are told", w.written, got)
	}
	for _, r := range w.booked {
		restCall(t, w.dir, "POST", "/v1/"+r+":forgetGuest", `{"force":true}`, 200)
	}
	if got := w.told(); len(got) > 0 {
		t.Errorf("%q are told", got)
	}
	stop()
	if files := holds(t, w.dir, "Quartermain"); len(files) > 0 {
		t.Errorf("found in %q", files)
	}
	if err := os.RemoveAll(filepath.Join(w.dir, "projections")); err != nil {
		t.Fatal(err)
	}
	w.p, _ = runIn(t, w.dir, opts)
	if got := w.told(); len(got) > 0 {
		t.Errorf("after a rebuild %q are told", got)
	}
}
