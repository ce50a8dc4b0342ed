package availability

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/projections"
)

// house is what a hotel sells and under what terms, without its nights. Shared: not to be changed.
type house struct {
	place    *time.Location
	currency string
	taxes    []*eventpb.Tax
	types    []soldType          // that are not archived, by id
	plans    []*eventpb.RatePlan // likewise
}

// soldType is a room type on sale.
type soldType struct {
	id        string
	maxGuests int
	base      *domain.Money
}

// The limits of what is read of one hotel.
const (
	soldTypesMax = 1000 // beyond hotel.RoomTypesMax
	soldPlansMax = 1000
)

const (
	selectHouse     = "SELECT terms FROM searched_hotel WHERE hotel_id = ? AND archived = 0"
	selectSoldPlans = "SELECT plan FROM searched_rate_plan WHERE hotel_id = ? AND archived = 0 ORDER BY rate_plan_id LIMIT ?"
)

// readHouse returns the hotel, or nil when it is unknown or archived.
func readHouse(ctx context.Context, c *projections.Conn, hotelID string) (*house, error) {
	var h *house
	err := c.Query(ctx, selectHouse, []any{hotelID}, func(r *projections.Row) (err error) {
		h, err = houseOf(r.Blob(0))
		return err
	})
	if h == nil || err != nil {
		return nil, err
	}
	err = c.Query(ctx, selectAll, []any{hotelID}, func(r *projections.Row) error {
		if len(h.types) < soldTypesMax {
			h.types = append(h.types, soldType{id: r.Text(0), maxGuests: int(r.Int(1)), base: money(r, 3)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = c.Query(ctx, selectSoldPlans, []any{hotelID, soldPlansMax}, func(r *projections.Row) error {
		plan := new(eventpb.RatePlan)
		if err := proto.Unmarshal(r.Blob(0), plan); err != nil {
			return fmt.Errorf("read a rate plan of hotel %s: %w", hotelID, err)
		}
		h.plans = append(h.plans, plan)
		return nil
	})
	return h, err
}

func houseOf(terms []byte) (*house, error) {
	var stored eventpb.Hotel
	if err := proto.Unmarshal(terms, &stored); err != nil {
		return nil, fmt.Errorf("read a hotel's terms: %w", err)
	}
	place, err := domain.LoadTimeZone(stored.GetTimeZone())
	return &house{place: place, currency: stored.GetCurrencyCode(), taxes: stored.GetTaxes()}, err
}

func (h *house) bytes() int {
	if h == nil {
		return 0
	}
	return 200 + 100*len(h.types) + 400*len(h.plans) + 100*len(h.taxes)
}

// sells reports whether the calendar lets a stay be booked now: it begins today or later, and ends within what may be reserved ahead.
func (h *house) sells(stay domain.Stay, now time.Time) bool {
	today := domain.Today(now, h.place)
	return stay.CheckIn >= today && stay.CheckOut <= today.AddDays(hotel.PlaceDaysAheadMax)
}
