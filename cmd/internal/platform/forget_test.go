package platform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// restCall makes a call over the folder's socket, with headers by name and value, and returns the answer, which must have the status.
func restCall(t *testing.T, dir, method, path, body string, status int, header ...string) map[string]any {
	t.Helper()
	client := Client(dir)
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, SocketURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	var answer map[string]any
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || res.StatusCode != status {
		t.Fatalf("%s %s: %s %s %v", method, path, res.Status, text, err)
	}
	return answer
}

// forgetAccount forgets the guest of an account, page by page, and returns how many bookings were forgotten and kept.
func forgetAccount(t *testing.T, dir, account string) (forgotten, kept int) {
	t.Helper()
	for token := any(""); token != nil; {
		answer := restCall(t, dir, "POST", "/v1/guests/"+account+":forget", fmt.Sprintf(`{"pageToken":%q}`, token), 200)
		n, _ := answer["forgottenCount"].(float64)
		names, _ := answer["kept"].([]any)
		forgotten, kept, token = forgotten+int(n), kept+len(names), answer["nextPageToken"]
	}
	return forgotten, kept
}

// holds returns the files under dir in which any of the words is.
func holds(t *testing.T, dir string, words ...string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, word := range words {
			if bytes.Contains(bytes.ToLower(data), []byte(strings.ToLower(word))) {
				files = append(files, path+": "+word)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// forOthers returns the files of a folder that others than their owner may read or write.
func forOthers(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatal(len(entries), err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestAForgottenGuestIsNowhere books, waits, has an account, is forgotten, and then looks for the guest in every file of the folder, in a rebuilt platform, and in answers to retries.
func TestAForgottenGuestIsNowhere(t *testing.T) {
	const (
		name, email, account = "Zebulon Quartermain", "zebulon@quartermain.example", "zebulon-7"
		reservations         = "/v1/hotels/ritz/reservations"
		booked               = reservations + "/0190a1b2-0000-7000-8000-000000000001"
		booking              = `{"roomType":"hotels/ritz/roomTypes/double","quantity":1,"checkInDate":{"year":2031,"month":7,"day":10},"checkOutDate":{"year":2031,"month":7,"day":12},
			"guest":{"displayName":"` + name + `","email":"` + email + `","guestId":"` + account + `","adults":1}}`
	)
	dir, noon, began := t.TempDir(), time.Date(2031, 7, 1, 12, 0, 0, 0, time.UTC), time.Now()
	opts := Options{Partitions: 2, Clock: func() time.Time { return noon.Add(time.Since(began)) }}
	p, stop := runIn(t, dir, opts)
	restCall(t, dir, "POST", "/v1/hotels?hotelId=ritz", `{"displayName":"Ritz","timeZone":"UTC","currencyCode":"EUR"}`, 200)
	restCall(t, dir, "POST", "/v1/hotels/ritz/roomTypes?roomTypeId=double", `{"displayName":"Double","baseRate":{"currencyCode":"EUR","units":100}}`, 200)
	restCall(t, dir, "POST", "/v1/hotels/ritz/roomTypes/double:setInventory",
		`{"startDate":{"year":2031,"month":7,"day":1},"endDate":{"year":2031,"month":8,"day":1},"physicalCount":1}`, 200)
	create := reservations + "?reservationId=0190a1b2-0000-7000-8000-000000000001&requestId=0190a1b2-0000-7000-8000-0000000000aa"
	restCall(t, dir, "POST", create, booking, 200)
	entry := restCall(t, dir, "POST", "/v1/hotels/ritz/waitingListEntries", booking, 200)["name"].(string)
	if err := p.WaitCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := restCall(t, dir, "GET", booked, "", 200)["guest"].(map[string]any); got["displayName"] != name || got["email"] != email {
		t.Fatalf("the guest is %v", got)
	}
	if forgotten, kept := forgetAccount(t, dir, account); forgotten != 0 || kept != 2 {
		t.Fatalf("of somebody who is expected %d bookings were forgotten, %d kept", forgotten, kept)
	}
	restCall(t, dir, "DELETE", "/v1/"+entry, "", 200)
	restCall(t, dir, "DELETE", booked, "", 200)
	if forgotten, kept := forgetAccount(t, dir, account); forgotten != 2 || kept != 0 {
		t.Fatalf("%d bookings were forgotten, %d kept", forgotten, kept)
	}
	if err := p.WaitCaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if retried := restCall(t, dir, "POST", create, booking, 200)["name"]; "/v1/"+retried.(string) != booked {
		t.Errorf("a retry made %v", retried)
	}
	stop()
	if files := holds(t, dir, name, email, "quartermain"); len(files) > 0 {
		t.Errorf("found in %q", files)
	}
	if readable := forOthers(t, filepath.Join(dir, keysFolder)); len(readable) > 0 {
		t.Errorf("others than the owner may have %q", readable)
	}
	if err := os.RemoveAll(filepath.Join(dir, "projections")); err != nil {
		t.Fatal(err)
	}
	runIn(t, dir, opts)
	guest, _ := restCall(t, dir, "GET", booked, "", 200)["guest"].(map[string]any)
	if guest["displayName"] != nil || guest["email"] != nil || guest["adults"] != 1.0 {
		t.Errorf("after a rebuild the guest is %v", guest)
	}
}
