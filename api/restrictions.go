package api

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/dayofweek"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
)

// SetRestrictions sets the restrictions of a range of nights.
func (s *inventoryService) SetRestrictions(ctx context.Context, req *connect.Request[lodgev1.SetRestrictionsRequest]) (*connect.Response[lodgev1.SetRestrictionsResponse], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body := &hotel.SetRestrictions{
		Weekdays: fromWeekdays(req.Msg.GetWeekdays()), MinStay: req.Msg.MinStay, MaxStay: req.Msg.MaxStay,
		ClosedToArrival: req.Msg.ClosedToArrival, ClosedToDeparture: req.Msg.ClosedToDeparture, StopSell: req.Msg.StopSell,
	}
	if body.Hotel, body.RoomType, err = parseRoomType(req.Msg.GetRoomType(), "room_type"); err != nil {
		return nil, err
	}
	if body.Start, err = fromDate(req.Msg.GetStartDate(), "start_date"); err != nil {
		return nil, err
	}
	if body.End, err = fromDate(req.Msg.GetEndDate(), "end_date"); err != nil {
		return nil, err
	}
	res := connect.NewResponse[lodgev1.SetRestrictionsResponse](nil)
	result, err := s.execute(ctx, c, body, res.Header())
	if err != nil {
		return nil, err
	}
	res.Msg = &lodgev1.SetRestrictionsResponse{
		Position: result.Position.String(), NightCount: int32(body.Weekdays.Count(body.Start, body.End)),
	}
	return res, nil
}

// fromWeekdays reads days of the week, of which the shape rules let only Monday to Sunday in.
func fromWeekdays(days []dayofweek.DayOfWeek) (set domain.Weekdays) {
	for _, day := range days {
		set |= domain.WeekdaysOf(time.Weekday(day % 7))
	}
	return set
}

// toRestrictions returns the API's form of a night's restrictions, nil when there are none.
func toRestrictions(r hotel.Restrictions) *lodgev1.StayRestrictions {
	if r == (hotel.Restrictions{}) {
		return nil
	}
	return &lodgev1.StayRestrictions{
		MinStay: int32(r.MinStay), MaxStay: int32(r.MaxStay),
		ClosedToArrival:   r.Closed&hotel.ClosedToArrival != 0,
		ClosedToDeparture: r.Closed&hotel.ClosedToDeparture != 0,
		StopSell:          r.Closed&hotel.StopSell != 0,
	}
}

func toBroken(b *hotel.Broken) *lodgev1.BrokenRestriction {
	out := &lodgev1.BrokenRestriction{Restriction: lodgev1.Restriction(b.Restriction), Limit: b.Limit}
	for _, d := range b.Nights {
		out.Nights = append(out.Nights, toDate(d))
	}
	return out
}

// turnedAway says why a reservation was rejected. The rejection is in the log, so it has a name and a position; index, unless empty, says which one of
// several it is.
func turnedAway(m *eventpb.ReservationRejected, result commands.Result, index string) error {
	return &recordedError{rejected(m, result, index)}
}

// recordedError is a refusal that is an event: the audit trail does not repeat it.
type recordedError struct{ error }

// Unwrap returns the refusal.
func (e *recordedError) Unwrap() error { return e.error }

func rejected(m *eventpb.ReservationRejected, result commands.Result, index string) error {
	metadata := map[string]string{
		"room_type":   roomTypeName(m.GetHotelId(), m.GetStay().GetRoomTypeId()),
		"reservation": reservationName(m.GetHotelId(), m.GetReservationId()),
		"position":    result.Position.String(),
	}
	if index != "" {
		metadata["index"] = index
	}
	names, forbidden := brokenText(m.GetBrokenRestrictions())
	if names != "" {
		metadata["restrictions"] = names
	}
	if m.GetReason() == eventpb.ReservationReason_RESERVATION_REASON_RESTRICTED {
		metadata["nights"] = strings.Join(forbidden, ",")
		return newError(domainCodes[domain.Restricted], string(domain.Restricted), "restrictions forbid the stay: "+names, metadata)
	}
	metadata["nights"] = strings.Join(m.GetFullNights(), ",")
	return newError(domainCodes[domain.SoldOut], string(domain.SoldOut), "these nights are full: "+metadata["nights"], metadata)
}

// brokenText names restrictions with their limits and nights, as in "MIN_STAY(3):2026-07-01;STOP_SELL:2026-07-02,2026-07-03", and all
// those nights in order.
func brokenText(broken []*eventpb.BrokenRestriction) (text string, nights []string) {
	var parts []string
	all := map[string]bool{}
	for _, b := range broken {
		name := strings.TrimPrefix(b.GetRestriction().String(), "RESTRICTION_")
		if b.GetLimit() != 0 {
			name += "(" + strconv.Itoa(int(b.GetLimit())) + ")"
		}
		parts = append(parts, name+":"+strings.Join(b.GetNights(), ","))
		for _, night := range b.GetNights() {
			all[night] = true
		}
	}
	return strings.Join(parts, ";"), slices.Sorted(maps.Keys(all))
}
