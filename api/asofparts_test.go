package api_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/dayofweek"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lodge/api"
	lodgev1 "lodge/api/gen/lodge/v1"
)

// then makes a request one of the past: of a time, or of a position; of neither, one of the present.
func then[R proto.Message](req R, at *timestamppb.Timestamp, position string) R {
	m := req.ProtoReflect()
	fields := m.Descriptor().Fields()
	if at != nil {
		m.Set(fields.ByName("as_of_time"), protoreflect.ValueOfMessage(at.ProtoReflect()))
	} else if position != "" {
		m.Set(fields.ByName("as_of_position"), protoreflect.ValueOfString(position))
	}
	return req
}

// method is one of a client, with its request and its answer.
type method[Q, A any] func(context.Context, *connect.Request[Q]) (*connect.Response[A], error)

// told returns what a method answers, page by page, put together; nil: what it is asked of is not found.
func told[Q, A any, QM interface {
	*Q
	proto.Message
}, AM interface {
	*A
	proto.Message
}](t testing.TB, ask method[Q, A], req QM) proto.Message {
	t.Helper()
	var all AM = new(A)
	next, last := field(req, "page_token"), field(all, "next_page_token")
	for {
		res, err := ask(context.Background(), connect.NewRequest((*Q)(req)))
		if connect.CodeOf(err) == connect.CodeNotFound {
			return nil
		}
		if err != nil {
			t.Fatalf("%T %v: %v", req, req, err)
		}
		var page AM = res.Msg
		if last == nil {
			return page
		}
		token := page.ProtoReflect().Get(last)
		page.ProtoReflect().Clear(last)
		proto.Merge(all, page)
		if token.String() == "" {
			return all
		}
		req.ProtoReflect().Set(next, token)
	}
}

func field(m proto.Message, name protoreflect.Name) protoreflect.FieldDescriptor {
	return m.ProtoReflect().Descriptor().Fields().ByName(name)
}

// parts asks for what the hotel has, what that costs and how much of it there is, as it is or was, under the names of the requests.
func (a *tale) parts(at *timestamppb.Timestamp, position string) map[string]proto.Message {
	a.Helper()
	all := map[string]proto.Message{}
	for i := range 3 {
		name, room := fmt.Sprint("hotels/ritz/roomTypes/type", i), fmt.Sprint("hotels/ritz/rooms/20", i)
		all[name] = told(a, a.hotels.GetRoomType, then(&lodgev1.GetRoomTypeRequest{Name: name}, at, position))
		all[room] = told(a, a.rooms.GetRoom, then(&lodgev1.GetRoomRequest{Name: room}, at, position))
	}
	for i := range 2 {
		plan := fmt.Sprint("hotels/ritz/ratePlans/plan", i)
		all[plan] = told(a, a.rates.GetRatePlan, then(&lodgev1.GetRatePlanRequest{Name: plan}, at, position))
		for _, from := range []*date.Date{nil, day(3)} {
			all[fmt.Sprint("rates of ", plan, from)] = told(a, a.rates.ListRates, then(&lodgev1.ListRatesRequest{Parent: plan, RoomType: ritzDouble, StartDate: from}, at, position))
		}
	}
	for _, archived := range []bool{false, true} {
		all[fmt.Sprint("room types ", archived)] = told(a, a.hotels.ListRoomTypes, then(&lodgev1.ListRoomTypesRequest{Parent: "hotels/ritz", PageSize: 2, ShowArchived: archived}, at, position))
		all[fmt.Sprint("rate plans ", archived)] = told(a, a.rates.ListRatePlans, then(&lodgev1.ListRatePlansRequest{Parent: "hotels/ritz", PageSize: 1, ShowArchived: archived}, at, position))
		all[fmt.Sprint("rooms ", archived)] = told(a, a.rooms.ListRooms, then(&lodgev1.ListRoomsRequest{Parent: "hotels/ritz", PageSize: 2, ShowArchived: archived}, at, position))
	}
	for _, req := range []*lodgev1.ListInventoryRequest{
		{Parent: ritzDouble, PageSize: 12}, {Parent: ritzDouble, StartDate: day(2), EndDate: day(14), PageSize: 5}, {Parent: "hotels/ritz/roomTypes/type1", EndDate: day(9)},
	} {
		all[fmt.Sprint("inventory ", req)] = told(a, a.inventory.ListInventory, then(req, at, position))
	}
	return all
}

// furnish makes, changes or archives something that the hotel has.
func (a *tale) furnish() error {
	ctx := context.Background()
	text := fmt.Sprint("Step ", len(a.marks))
	roomType, plan, room := fmt.Sprint("type", a.n(3)), fmt.Sprint("plan", a.n(2)), fmt.Sprint("20", a.n(3))
	var err error
	switch a.n(14) {
	case 0:
		_, err = a.hotels.UpdateRoomType(ctx, connect.NewRequest(&lodgev1.UpdateRoomTypeRequest{RoomType: &lodgev1.RoomType{Name: "hotels/ritz/roomTypes/" + roomType, DisplayName: text, BaseRate: euros(80)}}))
	case 1:
		_, err = a.hotels.ArchiveRoomType(ctx, connect.NewRequest(&lodgev1.ArchiveRoomTypeRequest{Name: "hotels/ritz/roomTypes/" + roomType}))
	case 2, 3, 11:
		_, err = a.rooms.CreateRoom(ctx, connect.NewRequest(&lodgev1.CreateRoomRequest{Parent: "hotels/ritz", RoomId: room, Room: &lodgev1.Room{RoomType: ritzDouble, DisplayName: text}}))
	case 4:
		_, err = a.rooms.UpdateRoom(ctx, connect.NewRequest(&lodgev1.UpdateRoomRequest{Room: &lodgev1.Room{Name: "hotels/ritz/rooms/" + room, Floor: text}}))
	case 5:
		_, err = a.rooms.ArchiveRoom(ctx, connect.NewRequest(&lodgev1.ArchiveRoomRequest{Name: "hotels/ritz/rooms/" + room}))
	case 6, 12:
		_, err = a.rates.CreateRatePlan(ctx, connect.NewRequest(&lodgev1.CreateRatePlanRequest{Parent: "hotels/ritz", RatePlanId: plan, RatePlan: &lodgev1.RatePlan{DisplayName: text, IncludedGuests: 2}}))
	case 7, 13:
		_, err = a.rates.UpdateRatePlan(ctx, connect.NewRequest(&lodgev1.UpdateRatePlanRequest{RatePlan: &lodgev1.RatePlan{Name: "hotels/ritz/ratePlans/" + plan, DisplayName: text, MinStay: 2}}))
	case 8:
		_, err = a.rates.ArchiveRatePlan(ctx, connect.NewRequest(&lodgev1.ArchiveRatePlanRequest{Name: "hotels/ritz/ratePlans/" + plan}))
	default:
		err = a.price(plan)
	}
	return err
}

// price sets the rates of some nights, or takes them away.
func (a *tale) price(plan string) error {
	from := a.n(8)
	req := &lodgev1.SetRatesRequest{RatePlan: "hotels/ritz/ratePlans/" + plan, RoomType: ritzDouble, StartDate: day(from), EndDate: day(from + 1 + a.n(30))}
	if a.n(2) == 0 {
		req.Weekdays = []dayofweek.DayOfWeek{dayofweek.DayOfWeek(1 + a.n(7)), dayofweek.DayOfWeek_SUNDAY}
	}
	if a.n(3) > 0 {
		req.NightlyRate = euros(int64(50 + a.n(50)))
	}
	_, err := a.rates.SetRates(context.Background(), connect.NewRequest(req))
	return err
}

// TestPartsAtNoMoment: whatever is asked of the past, its moment and its page must be right.
func TestPartsAtNoMoment(t *testing.T) {
	f := newFront(t, api.Options{})
	f.seed(3)
	for i := range 3 {
		plan, room := fmt.Sprint("plan", i), fmt.Sprint("20", i)
		must[lodgev1.RatePlan](t)(f.rates.CreateRatePlan(t.Context(), connect.NewRequest(&lodgev1.CreateRatePlanRequest{Parent: "hotels/ritz", RatePlanId: plan, RatePlan: &lodgev1.RatePlan{DisplayName: plan, IncludedGuests: 2}})))
		must[lodgev1.Room](t)(f.rooms.CreateRoom(t.Context(), connect.NewRequest(&lodgev1.CreateRoomRequest{Parent: "hotels/ritz", RoomId: room, Room: &lodgev1.Room{RoomType: ritzDouble, DisplayName: room}})))
		must[lodgev1.RoomType](t)(f.hotels.CreateRoomType(t.Context(), connect.NewRequest(&lodgev1.CreateRoomTypeRequest{Parent: "hotels/ritz", RoomTypeId: fmt.Sprint("type", i), RoomType: &lodgev1.RoomType{DisplayName: room, MaxGuests: 1}})))
	}
	checkMoments(t, f, f.hotels.GetRoomType, &lodgev1.GetRoomTypeRequest{Name: ritzDouble})
	checkMoments(t, f, f.rates.GetRatePlan, &lodgev1.GetRatePlanRequest{Name: "hotels/ritz/ratePlans/plan0"})
	checkMoments(t, f, f.rooms.GetRoom, &lodgev1.GetRoomRequest{Name: "hotels/ritz/rooms/200"})
	checkMoments(t, f, f.hotels.ListRoomTypes, &lodgev1.ListRoomTypesRequest{Parent: "hotels/ritz", PageSize: 1})
	checkMoments(t, f, f.rates.ListRatePlans, &lodgev1.ListRatePlansRequest{Parent: "hotels/ritz", PageSize: 1})
	checkMoments(t, f, f.rooms.ListRooms, &lodgev1.ListRoomsRequest{Parent: "hotels/ritz", PageSize: 1})
	checkMoments(t, f, f.inventory.ListInventory, &lodgev1.ListInventoryRequest{Parent: ritzDouble, PageSize: 1})
	checkMoments(t, f, f.rates.ListRates, &lodgev1.ListRatesRequest{Parent: "hotels/ritz/ratePlans/plan0", RoomType: ritzDouble})

	now := timestamppb.New(f.clock.now())
	_, err := f.inventory.ListInventory(t.Context(), connect.NewRequest(then(&lodgev1.ListInventoryRequest{Parent: ritzDouble, StartDate: day(0), EndDate: day(1101)}, now, "")))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_DATES", "end_date")
	_, err = f.rates.ListRates(t.Context(), connect.NewRequest(then(&lodgev1.ListRatesRequest{Parent: "hotels/ritz/ratePlans/plan0", RoomType: ritzDouble, StartDate: day(0), EndDate: day(367)}, now, "")))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_DATES", "end_date")
}

// checkMoments asks a method about moments that there are not, and about a page of another moment.
func checkMoments[Q, A any, QM interface {
	*Q
	proto.Message
}, AM interface {
	*A
	proto.Message
}](t *testing.T, f *front, ask method[Q, A], req QM) {
	t.Helper()
	at := func(at time.Time, position string) (AM, error) {
		var when *timestamppb.Timestamp
		if position == "" {
			when = timestamppb.New(at)
		}
		res, err := ask(t.Context(), connect.NewRequest((*Q)(then(req, when, position))))
		if err != nil {
			return nil, err
		}
		return res.Msg, nil
	}
	_, err := at(f.clock.now().Add(time.Nanosecond), "")
	expect(t, err, connect.CodeInvalidArgument, "INVALID_ARGUMENT", "as_of_time")
	if _, err = at(noon.Add(-time.Hour), ""); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("%T before there was a hotel: %v", req, err)
	}
	here := f.store.PartitionFor("ritz")
	for _, bad := range []string{"nonsense", "__offsets/0@0", fmt.Sprintf("hotels/%d@1000", here), fmt.Sprintf("hotels/%d@0", (here+1)%partitions)} {
		_, err = at(noon, bad)
		expect(t, err, connect.CodeInvalidArgument, "INVALID_POSITION", "as_of_position")
	}
	page, err := at(f.clock.now(), "")
	if err != nil {
		t.Fatalf("%T now: %v", req, err)
	}
	next := field(page, "next_page_token")
	if next == nil {
		return
	}
	token := page.ProtoReflect().Get(next)
	if token.String() == "" {
		t.Fatalf("%T: there is no second page", req)
	}
	req.ProtoReflect().Set(field(req, "page_token"), token)
	_, err = at(noon, fmt.Sprintf("hotels/%d@0", here))
	expect(t, err, connect.CodeInvalidArgument, "INVALID_PAGE_TOKEN", "page_token")
}
