package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/domain/event"
	"lodge/domain/eventpb"
)

var writeGolden = flag.Bool("golden", false, "write the golden files that are missing; never touches one that is there")

const goldenDir = "../../testdata/events"

// TestGoldenFilesDecode proves that an event of every version that was ever stored is still read as what it says. The
// files are what a log holds: they are written once for each type, and never again.
func TestGoldenFilesDecode(t *testing.T) {
	for name, sample := range samples() {
		eventType, _, _ := strings.Cut(name, variantMark)
		kind := event.Default().Kind(eventType)
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(goldenDir, name)
			stored, err := os.ReadFile(path + ".binpb")
			if errors.Is(err, fs.ErrNotExist) && *writeGolden {
				stored, err = writeGoldenFile(t, path, sample)
			}
			if err != nil {
				t.Fatalf("%v (write it with -golden)", err)
			}
			readable, err := os.ReadFile(path + ".json")
			if err != nil {
				t.Fatal(err)
			}
			want := kind.New()
			if err := protojson.Unmarshal(readable, want); err != nil {
				t.Fatal(err)
			}
			raw := kind.New()
			if err := proto.Unmarshal(stored, raw); err != nil || !proto.Equal(raw, want) {
				t.Fatalf("the file reads as %v (%v), not as %v", raw, err, want)
			}
			current, err := event.Default().DecodeMessage(kind.Type, stored)
			if err != nil || !event.Default().KindOf(current).Current() {
				t.Fatalf("decodes as %T: %v", current, err)
			}
			if event.HotelOf(current) != "grand" {
				t.Errorf("its hotel is %q", event.HotelOf(current))
			}
		})
	}
}

// TestEveryKindHasAGoldenFile fails when a type is stored and nothing says how.
func TestEveryKindHasAGoldenFile(t *testing.T) {
	for _, kind := range event.Kinds() {
		if samples()[kind.Type] == nil {
			t.Errorf("there is no sample of %s", kind.Type)
		}
	}
}

// TestGoldenFilesAreRegistered fails when a type that was stored is no longer known.
func TestGoldenFilesAreRegistered(t *testing.T) {
	files, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, isEvent := strings.CutSuffix(file.Name(), ".binpb")
		eventType, _, _ := strings.Cut(name, variantMark)
		if isEvent && (event.Default().Kind(eventType) == nil || samples()[name] == nil) {
			t.Errorf("%s is stored somewhere, and not registered or without a sample", name)
		}
	}
}

func writeGoldenFile(t *testing.T, path string, sample proto.Message) ([]byte, error) {
	if !strings.Contains(path, variantMark) {
		requireComplete(t, sample.ProtoReflect())
	}
	compact, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(sample)
	if err != nil {
		return nil, err
	}
	var readable bytes.Buffer
	if err := json.Indent(&readable, compact, "", "  "); err != nil {
		return nil, err
	}
	readable.WriteByte('\n')
	if err := os.WriteFile(path+".json", readable.Bytes(), 0o644); err != nil {
		return nil, err
	}
	stored, err := proto.MarshalOptions{Deterministic: true}.Marshal(sample)
	if err != nil {
		return nil, err
	}
	return stored, os.WriteFile(path+".binpb", stored, 0o644)
}

// requireComplete fails unless every field of m is set, so that a golden file pins them all.
func requireComplete(t *testing.T, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !m.Has(field) && field.Name() != "archived" && field.Name() != "included" {
			t.Errorf("the sample of %s does not set %s", m.Descriptor().Name(), field.Name())
		}
		if field.Message() != nil && !field.IsList() && field.Message().ParentFile().Package() == "lodge.events.v1" {
			requireComplete(t, m.Get(field).Message())
		}
	}
}

// variantMark parts a type from what a further golden file of it is about: fields that came later, since a file never changes.
const variantMark = "@"

// samples returns an event of every type with all its fields, and the variants, by the names of their files.
func samples() map[string]proto.Message {
	byName := make(map[string]proto.Message)
	for _, m := range slices.Concat(originals(), stayOriginals(), moneyOriginals()) {
		byName[event.TypeOf(m)] = m
	}
	for _, v := range slices.Concat(variants(), stayVariants(), moneyVariants()) {
		byName[event.TypeOf(v.event)+variantMark+v.name] = v.event
	}
	return byName
}

// variant is an event with the fields that were added to its type after the golden file was written.
type variant struct {
	name  string
	event proto.Message
}

func variants() []variant {
	return []variant{
		{"percent", &eventpb.InventorySet{
			HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-08-01", OverbookingPercent: proto.Int32(10),
		}},
		{"taxes", &eventpb.HotelUpdated{Hotel: &eventpb.Hotel{HotelId: "grand", Taxes: []*eventpb.Tax{
			{TaxId: "vat", DisplayName: "VAT", Basis: eventpb.TaxBasis_TAX_BASIS_PERCENT, Amount: 6_000, Included: true},
			{TaxId: "city", DisplayName: "City tax", Basis: eventpb.TaxBasis_TAX_BASIS_GUEST_NIGHT, Amount: 400},
		}}}},
		{"terms", &eventpb.ReservationPlaced{
			HotelId: "grand", ReservationId: "01980000-0000-7000-8000-000000000003",
			Stay:         &eventpb.Stay{RoomTypeId: "double", Quantity: 1, CheckInDate: "2026-07-01", CheckOutDate: "2026-07-02"},
			CurrencyCode: "EUR", NightlyMinorUnits: []int64{20_500}, TotalMinorUnits: 21_700, PlaceDate: "2026-06-20", Terms: &eventpb.Terms{
				RatePlanId: "flexible", ExtraGuestMinorUnits: 2_500, QuoteId: "01980000-0000-7000-8000-000000000004",
				Cancellation: &eventpb.CancellationTerms{FreeDays: 1, FreeUntilHour: 18},
				Charges: []*eventpb.Charge{
					{TaxId: "vat", DisplayName: "VAT", MinorUnits: 1_160, Included: true}, {TaxId: "city", DisplayName: "City tax", MinorUnits: 1_200},
				},
			},
		}},
		{"restricted", &eventpb.ReservationRejected{
			HotelId: "grand", ReservationId: "01980000-0000-7000-8000-000000000003",
			Stay:   &eventpb.Stay{RoomTypeId: "double", Quantity: 2, CheckInDate: "2026-07-01", CheckOutDate: "2026-07-03"},
			Reason: eventpb.ReservationReason_RESERVATION_REASON_RESTRICTED, InventoryOffset: 42,
			BrokenRestrictions: []*eventpb.BrokenRestriction{
				{Restriction: eventpb.Restriction_RESTRICTION_MIN_STAY, Nights: []string{"2026-07-01"}, Limit: 3},
				{Restriction: eventpb.Restriction_RESTRICTION_STOP_SELL, Nights: []string{"2026-07-01", "2026-07-02"}},
			},
		}},
	}
}

func originals() []proto.Message {
	hotel := &eventpb.Hotel{
		HotelId: "grand", DisplayName: "Grand Hotel", Description: "By the river.", TimeZone: "Europe/Lisbon",
		Address: &eventpb.Address{
			Street: "Rua Augusta 1", City: "Lisboa", PostalCode: "1100-048", CountryCode: "PT",
			Latitude: 38.7101, Longitude: -9.1366,
		},
		CurrencyCode: "EUR", HoldSeconds: 900, Version: 3,
	}
	archived := proto.CloneOf(hotel)
	archived.Archived = true
	double := &eventpb.RoomType{
		HotelId: "grand", RoomTypeId: "double", DisplayName: "Double room", Description: "Two beds.", MaxGuests: 2,
		BaseRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 12_000}, Version: 2,
	}
	closed := proto.CloneOf(double)
	closed.Archived = true
	id := "01980000-0000-7000-8000-000000000003"
	stay := &eventpb.Stay{RoomTypeId: "double", Quantity: 2, CheckInDate: "2026-07-01", CheckOutDate: "2026-07-03"}
	guest := &eventpb.Guest{
		GuestId: "guest-1", DisplayName: "Maria da Conceição", Email: "maria@example.com", Adults: 2, Children: 1, Infants: 1,
	}
	flexible := &eventpb.RatePlan{
		HotelId: "grand", RatePlanId: "flexible", DisplayName: "Flexible", Description: "With breakfast.", IncludedGuests: 2,
		ExtraGuestCharge: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 2_500}, MaxAdults: proto.Int32(3), MaxChildren: proto.Int32(2),
		MinStay: 1, MaxStay: 30, Version: 2, CurrencyCode: "EUR",
		Cancellation: &eventpb.CancellationTerms{
			FreeDays: 1, FreeUntilHour: 18, NeverFree: true,
			Fee:       &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS, Amount: 1},
			NoShowFee: &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT, Amount: 100_000},
		},
	}
	dropped := proto.CloneOf(flexible)
	dropped.Archived = true
	return []proto.Message{
		&eventpb.RatePlanCreated{RatePlan: flexible}, &eventpb.RatePlanUpdated{RatePlan: flexible}, &eventpb.RatePlanArchived{RatePlan: dropped},
		&eventpb.RatesSet{
			HotelId: "grand", RatePlanId: "flexible", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-08-01",
			Weekdays: []eventpb.Weekday{eventpb.Weekday_WEEKDAY_SATURDAY}, NightlyRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 18_000},
		},
		&eventpb.HotelCreated{Hotel: hotel}, &eventpb.HotelUpdated{Hotel: hotel}, &eventpb.HotelArchived{Hotel: archived},
		&eventpb.RoomTypeCreated{RoomType: double}, &eventpb.RoomTypeUpdated{RoomType: double}, &eventpb.RoomTypeArchived{RoomType: closed},
		&eventpb.InventorySet{
			HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-08-01",
			PhysicalCount: proto.Int32(40), OutOfOrderCount: proto.Int32(0), OverbookingLimit: proto.Int32(2),
			NightlyRate: &eventpb.Money{CurrencyCode: "EUR", MinorUnits: 15_050},
		},
		&eventpb.RestrictionsSet{
			HotelId: "grand", RoomTypeId: "double", StartDate: "2026-07-01", EndDate: "2026-08-01",
			Weekdays: []eventpb.Weekday{eventpb.Weekday_WEEKDAY_FRIDAY, eventpb.Weekday_WEEKDAY_SUNDAY},
			MinStay:  proto.Int32(2), MaxStay: proto.Int32(14), ClosedToArrival: proto.Bool(true), ClosedToDeparture: proto.Bool(false),
			StopSell: proto.Bool(false),
		},
		&eventpb.ReservationPlaced{
			HotelId: "grand", ReservationId: id, Stay: stay, Guest: guest, CurrencyCode: "EUR",
			NightlyMinorUnits: []int64{30_100, 24_000}, TotalMinorUnits: 54_100,
			HoldExpireTime: &timestamppb.Timestamp{Seconds: 1_782_908_100, Nanos: 250_000_000}, InventoryOffset: 42,
			Channel: "web", ExternalReference: "W-77", PlaceDate: "2026-06-20",
		},
		&eventpb.ReservationRejected{
			HotelId: "grand", ReservationId: id, Stay: stay, Guest: guest,
			Reason: eventpb.ReservationReason_RESERVATION_REASON_SOLD_OUT, FullNights: []string{"2026-07-01", "2026-07-02"},
			InventoryOffset: 42, Channel: "web", ExternalReference: "W-77",
		},
		&eventpb.ReservationPaid{HotelId: "grand", ReservationId: id, Stay: stay},
		&eventpb.ReservationCanceled{
			HotelId: "grand", ReservationId: id, Stay: stay, PreviousStatus: eventpb.ReservationStatus_RESERVATION_STATUS_PAID,
			Reason: eventpb.ReservationReason_RESERVATION_REASON_GUEST_REQUEST, Note: "Plans changed.",
		},
		&eventpb.ReservationNoShow{
			HotelId: "grand", ReservationId: id, Stay: stay, PreviousStatus: eventpb.ReservationStatus_RESERVATION_STATUS_PENDING,
		},
	}
}
