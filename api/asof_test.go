package api_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/log"
)

const ritzDouble = "hotels/ritz/roomTypes/double"

// tale does things to a hotel at random, and writes down what the queries answered after each of them.
type tale struct {
	*front
	random  *rand.Rand
	names   []string // of reservations
	marks   []mark
	ends    map[log.Topic]log.Offset
	refused int

	group         string   // of reservations that were placed together
	arriving      []string // today
	arrived, left int      // of them, in order
}

// mark is what the queries answered at a moment.
type mark struct {
	time         time.Time
	positions    []string // of the last event of each topic that has had some since the mark before
	hotel        *lodgev1.Hotel
	nights       *lodgev1.Availability
	reservations map[string]*lodgev1.Reservation
	parts        map[string]proto.Message
	lists        []proto.Message
}

func (a *tale) n(n int) int { return a.random.IntN(n) }

// step does one thing. The domain may refuse it.
func (a *tale) step() error {
	ctx := context.Background()
	name := "hotels/ritz/reservations/" + uuid.NewString()
	if len(a.names) > 0 {
		name = a.names[a.n(len(a.names))]
	}
	from := a.n(8)
	to := from + 1 + a.n(4)
	switch a.n(15) {
	case 0, 1, 2:
		req := stay(1+from, 1+to)
		req.ReservationId, req.Reservation.Quantity = uuid.NewString(), int32(1+a.n(2))
		_, err := a.reservations.CreateReservation(ctx, connect.NewRequest(req))
		a.names = append(a.names, "hotels/ritz/reservations/"+req.GetReservationId())
		return err
	case 3:
		_, err := a.reservations.ConfirmReservation(ctx, connect.NewRequest(&lodgev1.ConfirmReservationRequest{Name: name}))
		return err
	case 4:
		_, err := a.reservations.CancelReservation(ctx, connect.NewRequest(&lodgev1.CancelReservationRequest{Name: name, Reason: lodgev1.ReservationReason_RESERVATION_REASON_GUEST_REQUEST}))
		return err
	case 5, 6:
		_, err := a.reservations.UpdateReservation(ctx, connect.NewRequest(&lodgev1.UpdateReservationRequest{
			Reservation: &lodgev1.Reservation{Name: name, CheckInDate: day(1 + from), CheckOutDate: day(1 + to), Guest: &lodgev1.Guest{GuestId: fmt.Sprint("guest", from), DisplayName: fmt.Sprint("Gäst ", from), Adults: 1}},
			UpdateMask:  &fieldmaskpb.FieldMask{Paths: [][]string{{"check_in_date", "check_out_date"}, {"guest"}, {"check_in_date", "check_out_date", "guest"}}[a.n(3)]},
		}))
		return err
	case 7:
		return a.pay(name)
	case 8:
		req := &lodgev1.SetInventoryRequest{RoomType: ritzDouble, StartDate: day(1 + from), EndDate: day(1 + to), NightlyRate: euros(int64(50 + a.n(50)))}
		if a.n(2) == 0 {
			req.PhysicalCount, req.OverbookingPercent = proto.Int32(int32(2+a.n(3))), proto.Int32(int32(50*a.n(2)))
		}
		_, err := a.inventory.SetInventory(ctx, connect.NewRequest(req))
		return err
	case 9:
		_, err := a.inventory.SetRestrictions(ctx, connect.NewRequest(&lodgev1.SetRestrictionsRequest{
			RoomType: ritzDouble, StartDate: day(1 + from), EndDate: day(1 + to), MinStay: proto.Int32(int32(1 + a.n(3))), StopSell: proto.Bool(a.n(4) == 0),
		}))
		return err
	case 10:
		_, err := a.hotels.UpdateHotel(ctx, connect.NewRequest(&lodgev1.UpdateHotelRequest{Hotel: &lodgev1.Hotel{Name: "hotels/ritz", Description: fmt.Sprint("as of ", len(a.marks))}}))
		return err
	case 12, 13, 14:
		return a.stayOver()
	default:
		_, err := a.hotels.CreateRoomType(ctx, connect.NewRequest(&lodgev1.CreateRoomTypeRequest{
			Parent: "hotels/ritz", RoomTypeId: fmt.Sprint("type", a.n(3)), RoomType: &lodgev1.RoomType{DisplayName: "Another", MaxGuests: 1, BaseRate: euros(70)},
		}))
		return err
	}
}

// pay asks for money, and the provider has it.
func (a *tale) pay(name string) error {
	payment := uuid.NewString()
	p, err := a.payments.PayReservation(context.Background(), connect.NewRequest(&lodgev1.PayReservationRequest{Name: name, PaymentId: payment, PaymentMethod: "tok_approve"}))
	if err == nil {
		a.capture(name, payment, p.Msg.GetAmount().GetUnits()*100)
	}
	return err
}

// mark writes down how things are.
func (a *tale) mark() {
	a.settle()
	m := mark{time: a.clock.now(), reservations: map[string]*lodgev1.Reservation{}}
	topics, err := a.broker.ListTopics(context.Background())
	if err != nil {
		a.Fatal(err)
	}
	at := a.store.PartitionFor("ritz")
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			if p.Partition == at && p.HighWatermark > a.ends[topic.Name] {
				a.ends[topic.Name] = p.HighWatermark
				m.positions = append(m.positions, log.Position{Topic: topic.Name, Partition: at, Offset: p.HighWatermark - 1}.String())
			}
		}
	}
	m.hotel, m.nights, m.reservations = a.look(nil, "")
	m.parts = a.parts(nil, "")
	if len(a.marks)%4 == 0 { // they are many
		m.lists = a.lists(nil, "")
	}
	a.marks = append(a.marks, m)
}

// look asks the queries how things are, or were.
func (a *tale) look(at *timestamppb.Timestamp, position string) (*lodgev1.Hotel, *lodgev1.Availability, map[string]*lodgev1.Reservation) {
	a.Helper()
	ctx := context.Background()
	h, n := then(&lodgev1.GetHotelRequest{Name: "hotels/ritz"}, at, position), then(&lodgev1.GetAvailabilityRequest{Hotel: "hotels/ritz", EndDate: day(14)}, at, position)
	hotel, _ := must[lodgev1.Hotel](a)(a.hotels.GetHotel(ctx, connect.NewRequest(h)))
	nights, _ := must[lodgev1.Availability](a)(a.availability.GetAvailability(ctx, connect.NewRequest(n)))
	found := map[string]*lodgev1.Reservation{}
	for _, name := range a.names {
		req := then(&lodgev1.GetReservationRequest{Name: name}, at, position)
		r, err := a.reservations.GetReservation(ctx, connect.NewRequest(req))
		switch {
		case err == nil:
			found[name] = r.Msg
		case reasonOf(err) != "RESERVATION_NOT_FOUND":
			a.Fatal(err)
		}
	}
	return hotel, nights, found
}

// check compares what the past is said to have been with what was written down.
func (a *tale) check(m *mark, what string, at *timestamppb.Timestamp, position string) {
	a.Helper()
	if m.lists != nil {
		for i, list := range a.lists(at, position) {
			if !proto.Equal(list, m.lists[i]) {
				a.Errorf("%s: list %d\n%v, want\n%v", what, i, list, m.lists[i])
			}
		}
	}
	for name, part := range a.parts(at, position) {
		if !proto.Equal(part, m.parts[name]) {
			a.Errorf("%s: %s\n%v, want\n%v", what, name, part, m.parts[name])
		}
	}
	hotel, nights, found := a.look(at, position)
	if !proto.Equal(hotel, m.hotel) {
		a.Errorf("%s: hotel\n%v, want\n%v", what, hotel, m.hotel)
	}
	if !proto.Equal(nights, m.nights) {
		a.Errorf("%s: nights\n%v, want\n%v", what, nights, m.nights)
	}
	for _, name := range a.names {
		if !proto.Equal(found[name], m.reservations[name]) {
			a.Errorf("%s: reservation\n%v, want\n%v", what, found[name], m.reservations[name])
		}
	}
}

func TestThePastIsWhatThePresentWas(t *testing.T) {
	a := &tale{front: newFront(t, api.Options{ListLookMax: 4}), random: rand.New(rand.NewPCG(1, 2)), ends: map[log.Topic]log.Offset{}}
	a.seed(5)
	a.seedHotel("savoy", "London", 1)
	a.begin()
	a.mark()
	for range 60 {
		a.clock.advance(time.Second)
		for _, err := range []error{a.step(), a.furnish()} {
			if err == nil {
				continue
			}
			if reasonOf(err) == "" || reasonOf(err) == "INTERNAL" {
				t.Fatal(err)
			}
			a.refused++
		}
		a.mark()
	}
	if a.arrived == 0 || a.left == 0 {
		t.Errorf("%d guests have arrived, %d left: too little has happened to tell", a.arrived, a.left)
	}
	if len(a.names) < 10 || a.refused > 80 {
		t.Errorf("%d reservations, %d refused: too little has happened to tell", len(a.names), a.refused)
	}
	for name, first := range a.marks[0].parts {
		if !slices.ContainsFunc(a.marks, func(m mark) bool { return !proto.Equal(m.parts[name], first) }) {
			t.Errorf("%s has never changed: too little has happened to tell", name)
		}
	}
	a.clock.advance(24 * time.Hour) // what begins today began that day
	for i := range a.marks {
		m := &a.marks[i]
		a.check(m, fmt.Sprint("at ", m.time), timestamppb.New(m.time), "")
		for _, position := range m.positions[:min(1, len(m.positions))] {
			if i > 0 {
				a.check(m, "at "+position, nil, position)
			}
		}
	}
}

func TestMomentsThatThereAreNot(t *testing.T) {
	s := newStack(t, api.Options{PastEventsMax: 4})
	s.seed(3)
	s.seedHotel("savoy", "London", 1)
	s.clock.advance(time.Second)
	placed, position := s.reserve(stay(1, 2))
	before := timestamppb.New(noon.Add(-time.Hour))
	hotel := func(set func(*lodgev1.GetHotelRequest)) error {
		req := &lodgev1.GetHotelRequest{Name: "hotels/ritz"}
		set(req)
		_, err := s.hotels.GetHotel(t.Context(), connect.NewRequest(req))
		return err
	}
	at := func(position string) error {
		return hotel(func(r *lodgev1.GetHotelRequest) {
			r.AsOf = &lodgev1.GetHotelRequest_AsOfPosition{AsOfPosition: position}
		})
	}
	expect(t, hotel(func(r *lodgev1.GetHotelRequest) {
		r.AsOf = &lodgev1.GetHotelRequest_AsOfTime{AsOfTime: timestamppb.New(s.clock.now().Add(time.Nanosecond))}
	}), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "as_of_time")
	expect(t, hotel(func(r *lodgev1.GetHotelRequest) {
		r.AsOf = &lodgev1.GetHotelRequest_AsOfTime{AsOfTime: &timestamppb.Timestamp{Nanos: -1}}
	}), connect.CodeInvalidArgument, "INVALID_ARGUMENT", "as_of_time")
	expect(t, hotel(func(r *lodgev1.GetHotelRequest) { r.AsOf = &lodgev1.GetHotelRequest_AsOfTime{AsOfTime: before} }), connect.CodeNotFound, "HOTEL_NOT_FOUND", "")
	here := s.store.PartitionFor("ritz")
	for _, bad := range []string{
		"nonsense", "__offsets/0@0", fmt.Sprintf("bookings/%d@1000", here), fmt.Sprintf("bookings/%d@0", (here+1)%partitions), fmt.Sprintf("payments/%d@0", here),
	} {
		expect(t, at(bad), connect.CodeInvalidArgument, "INVALID_POSITION", "as_of_position")
	}
	if err := at(position); err != nil {
		t.Error(err)
	}

	get := &lodgev1.GetReservationRequest{Name: placed.GetName(), AsOf: &lodgev1.GetReservationRequest_AsOfTime{AsOfTime: before}}
	_, err := s.reservations.GetReservation(t.Context(), connect.NewRequest(get))
	expect(t, err, connect.CodeNotFound, "RESERVATION_NOT_FOUND", "")
	get.AsOf, get.SettleWait = &lodgev1.GetReservationRequest_AsOfPosition{AsOfPosition: position}, durationpb.New(time.Second)
	_, err = s.reservations.GetReservation(t.Context(), connect.NewRequest(get))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "settle_wait")

	nights := &lodgev1.GetAvailabilityRequest{Hotel: "hotels/ritz", AsOf: &lodgev1.GetAvailabilityRequest_AsOfPosition{AsOfPosition: position}}
	if _, err := s.availability.GetAvailability(t.Context(), connect.NewRequest(nights)); err != nil {
		t.Error("four events:", err)
	}
	_, position = s.reserve(stay(1, 2))
	nights.AsOf = &lodgev1.GetAvailabilityRequest_AsOfPosition{AsOfPosition: position}
	_, err = s.availability.GetAvailability(t.Context(), connect.NewRequest(nights))
	expect(t, err, connect.CodeResourceExhausted, "LIMIT_REACHED", "")

	res, err := s.client.Get(s.server.URL + "/v1/hotels/ritz?as_of_time=" + noon.Format(time.RFC3339))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("over REST %v %v", res, err)
	}
	if err == nil {
		_ = res.Body.Close()
	}
}
