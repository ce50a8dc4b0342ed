package hotel

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"lodge/domain"
)

// stayCommands are one of each, with everything set that the client decides.
func stayCommands() []Command {
	members := group(place(1, 1, july(1, 2)))
	members.ClientAssigned = true
	waits := join(1, 1, july(1, 2))
	waits.ClientAssigned, waits.RatePlan, waits.Guest = true, "flexible", Guest{ID: "g", DisplayName: "n", Email: "e", Adults: 1, Children: 2, Infants: 3}
	return []Command{
		room("204"), &UpdateRoom{Hotel: "grand", Room: "204", RoomType: ptr("double"), DisplayName: ptr("n"), Floor: ptr("2"), OutOfService: ptr(true)},
		&ArchiveRoom{Hotel: "grand", Room: "204"}, arrive(1, "204"), depart(1), walkAway(1), members, waits, leave(1), &OfferRooms{Hotel: "grand"}, &ExtendInventory{Hotel: "grand"},
	}
}

// TestStayFingerprints changes every field of every command: what asks for something else is another request.
func TestStayFingerprints(t *testing.T) {
	seen := make(map[[16]byte]string)
	remember := func(c Command, what string) {
		if before, ok := seen[c.Fingerprint()]; ok {
			t.Errorf("%s is the same request as %s", what, before)
		}
		seen[c.Fingerprint()] = what
	}
	for _, c := range stayCommands() {
		name := fmt.Sprintf("%T", c)
		remember(c, name)
		if c.HotelID() != "grand" || c.Topic() == "" {
			t.Errorf("%s: of hotel %q, to topic %q", name, c.HotelID(), c.Topic())
		}
		value := reflect.ValueOf(c).Elem()
		for i := range value.NumField() {
			field := value.Field(i)
			before := reflect.ValueOf(field.Interface())
			for j, other := range others(t, field.Interface()) {
				field.Set(reflect.ValueOf(other))
				remember(c, fmt.Sprintf("%s with another %s (%d)", name, value.Type().Field(i).Name, j))
			}
			field.Set(before)
		}
	}
}

// others returns values that differ from one of a command's field.
func others(t *testing.T, value any) []any {
	switch v := value.(type) {
	case string:
		return []any{v + "x"}
	case bool:
		return []any{!v}
	case int32:
		return []any{v + 1}
	case int64:
		return []any{v + 1}
	case *string:
		return []any{(*string)(nil), ptr(*v + "x")}
	case *bool:
		return []any{(*bool)(nil), ptr(!*v)}
	case []string:
		return []any{[]string(nil), append(slices.Clone(v), "205"), []string{v[0] + "x"}}
	case domain.Stay:
		return []any{domain.Stay{CheckIn: v.CheckIn - 1, CheckOut: v.CheckOut}, domain.Stay{CheckIn: v.CheckIn, CheckOut: v.CheckOut + 1}}
	case Guest:
		return []any{Guest{}, *with(&v, func(g *Guest) { g.ID = "h" }), *with(&v, func(g *Guest) { g.Infants = 4 })}
	case []PlaceReservation:
		two := append(slices.Clone(v), v[0])
		return []any{[]PlaceReservation(nil), two, []PlaceReservation{*with(&v[0], func(c *PlaceReservation) { c.Quantity++ })}}
	}
	t.Fatalf("what differs from a %T?", value)
	return nil
}

// The forms are stored with the events: a retry after an upgrade must still be the same request.
func TestStayFingerprintsStay(t *testing.T) {
	for _, tt := range []struct {
		command Command
		want    string
	}{
		{room("204"), "eaea24884d17111feb6b914a1dd19d55"},
		{arrive(1, "204"), "e9ad895d64f10c9233b3cf6ef84d321f"},
		{group(place(1, 1, july(1, 2))), "6545e93141ba879bc64dec0d96997342"},
		{join(1, 1, july(1, 2)), "5a8f3366bd053801ff2f8c2f69e0f8be"},
		{leave(1), "a6a975433f8a82ccbfb3fc45db5e19bb"},
	} {
		if got := fmt.Sprintf("%x", tt.command.Fingerprint()); got != tt.want {
			t.Errorf("the fingerprint of %T is %s, and was %s", tt.command, got, tt.want)
		}
	}
}
