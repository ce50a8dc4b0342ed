package api

import (
	"context"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections/reservations"
)

// waitingListService serves those who wait for rooms.
type waitingListService struct{ *API }

// JoinWaitingList puts a guest on the list.
func (s *waitingListService) JoinWaitingList(ctx context.Context, req *connect.Request[lodgev1.JoinWaitingListRequest]) (*connect.Response[lodgev1.WaitingListEntry], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	body, err := joinWaitingList(req.Msg)
	if err != nil {
		return nil, err
	}
	result, err := s.earlierEntry(ctx, c, body)
	if err == nil && len(result.Events) == 0 {
		result, err = s.do(ctx, c, body)
	}
	if err != nil {
		return nil, err
	}
	e, m, err := only[*eventpb.WaitingListJoined](result)
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse[lodgev1.WaitingListEntry](nil)
	say(res.Header(), result)
	guest, err := s.answerGuest(m.GetGuest(), &body.Guest, result.Replayed)
	if err != nil {
		return nil, err
	}
	stay := ofStay(m.GetHotelId(), m.GetEntryId(), m.GetStay())
	res.Msg = &lodgev1.WaitingListEntry{
		Name: waitingListEntryName(m.GetHotelId(), m.GetEntryId()), RoomType: stay.GetRoomType(), Quantity: stay.GetQuantity(),
		CheckInDate: stay.GetCheckInDate(), CheckOutDate: stay.GetCheckOutDate(), Guest: guest,
		RatePlan: planName(m.GetHotelId(), m.GetRatePlanId()), Status: lodgev1.WaitingListStatus_WAITING_LIST_STATUS_WAITING,
		JoinTime: timestamppb.New(e.Time), UpdateTime: timestamppb.New(e.Time),
	}
	return res, nil
}

// joinWaitingList makes the command of a request.
func joinWaitingList(req *lodgev1.JoinWaitingListRequest) (*hotel.JoinWaitingList, error) {
	entry := req.GetEntry()
	hotelID, err := parseHotel(req.GetParent(), "parent")
	if err != nil {
		return nil, err
	}
	body := &hotel.JoinWaitingList{Hotel: hotelID, ClientAssigned: req.GetEntryId() != "", Quantity: entry.GetQuantity()}
	ofHotel, roomType, err := parseRoomType(entry.GetRoomType(), "entry.room_type")
	if err != nil {
		return nil, err
	}
	body.RoomType = roomType
	if ofHotel != hotelID {
		return nil, domain.Errorf(domain.InvalidArgument, "entry.room_type", "the room type is not of hotel %s", hotelID)
	}
	if entry.GetRatePlan() != "" {
		if ofHotel, body.RatePlan, err = parseRatePlan(entry.GetRatePlan(), "entry.rate_plan"); err != nil {
			return nil, err
		}
		if ofHotel != hotelID {
			return nil, domain.Errorf(domain.InvalidArgument, "entry.rate_plan", "the rate plan is not of hotel %s", hotelID)
		}
	}
	if body.Guest, err = fromGuest(entry.GetGuest(), "entry.guest"); err != nil {
		return nil, err
	}
	if body.Stay.CheckIn, err = fromDate(entry.GetCheckInDate(), "entry.check_in_date"); err != nil {
		return nil, err
	}
	if body.Stay.CheckOut, err = fromDate(entry.GetCheckOutDate(), "entry.check_out_date"); err != nil {
		return nil, err
	}
	body.EntryID, err = ownOrNew(req.GetEntryId())
	return body, err
}

// LeaveWaitingList takes a guest off the list.
func (s *waitingListService) LeaveWaitingList(ctx context.Context, req *connect.Request[lodgev1.LeaveWaitingListRequest]) (*connect.Response[lodgev1.WaitingListEntry], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	hotelID, id, err := parseWaitingListEntry(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	res := connect.NewResponse[lodgev1.WaitingListEntry](nil)
	result, err := s.execute(ctx, c, &hotel.LeaveWaitingList{Hotel: hotelID, EntryID: id, ByHotel: req.Msg.GetByHotel()}, res.Header())
	if err != nil {
		return nil, s.overOrUnknown(ctx, hotelID, id, err)
	}
	e, m, err := only[*eventpb.WaitingListLeft](result)
	if err != nil {
		return nil, err
	}
	if !minimal(req.Header()) {
		if res.Msg, err = s.entry(ctx, hotelID, id, result.Position.String()); err == nil {
			return res, nil
		}
		s.opts.Logger.WarnContext(ctx, "answer a change without the read model", "entry", req.Msg.GetName(), "error", err)
	}
	res.Msg = &lodgev1.WaitingListEntry{
		Name: req.Msg.GetName(), Status: lodgev1.WaitingListStatus_WAITING_LIST_STATUS_ENDED,
		EndReason: lodgev1.WaitingListEndReason(m.GetReason()), UpdateTime: timestamppb.New(e.Time),
	}
	return res, nil
}

// overOrUnknown tells an entry that has ended, which the engine has forgotten, from one that never was.
func (s *waitingListService) overOrUnknown(ctx context.Context, hotelID, id string, err error) error {
	if domain.ReasonOf(err) != domain.WaiterNotFound {
		return err
	}
	readErr := s.look(ctx, hotelID, domain.WaiterNotFound, func() error {
		if known, readErr := s.API.reservations.GetWaiter(ctx, hotelID, id); readErr != nil || known.State == reservations.Ended {
			return readErr
		}
		return err // it is there, and will have ended when the read model has seen that too
	})
	if readErr != nil {
		return err
	}
	return domain.Errorf(domain.StatusConflict, "name", "entry %s is not on the waiting list any more", id)
}

// GetWaitingListEntry returns one entry.
func (s *waitingListService) GetWaitingListEntry(ctx context.Context, req *connect.Request[lodgev1.GetWaitingListEntryRequest]) (*connect.Response[lodgev1.WaitingListEntry], error) {
	hotelID, id, err := parseWaitingListEntry(req.Msg.GetName(), "name")
	if err != nil {
		return nil, err
	}
	entry, err := s.entry(ctx, hotelID, id, req.Msg.GetMinPosition())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(entry), nil
}

func (s *waitingListService) entry(ctx context.Context, hotelID, id, position string) (*lodgev1.WaitingListEntry, error) {
	if err := s.fresh(ctx, reservations.Name, position); err != nil {
		return nil, err
	}
	w, err := s.API.reservations.GetWaiter(ctx, hotelID, id)
	if err != nil {
		return nil, err
	}
	return s.toEntry(&w)
}

// ListWaitingListEntries lists a hotel's entries in the order in which they came, or a guest's.
func (s *waitingListService) ListWaitingListEntries(ctx context.Context, req *connect.Request[lodgev1.ListWaitingListEntriesRequest]) (*connect.Response[lodgev1.ListWaitingListEntriesResponse], error) {
	switch ofAll := req.Msg.GetParent() == allHotels; {
	case ofAll && req.Msg.GetGuestId() == "":
		return nil, domain.Errorf(domain.InvalidArgument, "guest_id", "a list over all hotels needs a guest")
	case !ofAll && req.Msg.GetGuestId() != "":
		return nil, domain.Errorf(domain.InvalidArgument, "guest_id", "a guest's list is over all hotels: the parent is %s", allHotels)
	}
	list := s.listOfHotel
	if req.Msg.GetGuestId() != "" {
		list = s.listOfGuest
	}
	found, next, err := list(ctx, req.Msg)
	if err != nil {
		return nil, err
	}
	res := &lodgev1.ListWaitingListEntriesResponse{}
	for i := range found {
		entry, err := s.toEntry(&found[i])
		if err != nil {
			return nil, err
		}
		res.Entries = append(res.Entries, entry)
	}
	if next != nil {
		res.NextPageToken = newPageToken(req.Msg, next...)
	}
	return connect.NewResponse(res), nil
}

// listOfHotel returns one page, and the parts of the token of the next, if there is one.
func (s *waitingListService) listOfHotel(ctx context.Context, req *lodgev1.ListWaitingListEntriesRequest) (found []reservations.Waiter, next []string, err error) {
	hotelID, err := parseHotel(req.GetParent(), "parent")
	if err != nil {
		return nil, nil, err
	}
	token, err := parsePageToken(req, req.GetPageToken(), 1)
	if err != nil {
		return nil, nil, err
	}
	from := int64(0)
	if token != nil {
		if from, err = strconv.ParseInt(token[0], 10, 64); err != nil || from < 0 {
			return nil, nil, badToken("is not one of ours")
		}
	}
	if err := s.fresh(ctx, reservations.Name, req.GetMinPosition()); err != nil {
		return nil, nil, err
	}
	if _, err := s.hotels.Get(ctx, hotelID); err != nil {
		return nil, nil, err
	}
	found, more, err := s.API.reservations.ListWaiters(ctx, hotelID, req.GetShowEnded(), log.Offset(from), pageSize(req.GetPageSize()))
	if err == nil && more {
		next = []string{strconv.FormatInt(int64(found[len(found)-1].Created)+1, 10)}
	}
	return found, next, err
}

// listOfGuest is listOfHotel for a guest's entries in all hotels.
func (s *waitingListService) listOfGuest(ctx context.Context, req *lodgev1.ListWaitingListEntriesRequest) (found []reservations.Waiter, next []string, err error) {
	token, err := parsePageToken(req, req.GetPageToken(), 2)
	if err != nil {
		return nil, nil, err
	}
	var after reservations.WaiterCursor
	if token != nil {
		after = reservations.WaiterCursor{EntryID: token[0], HotelID: token[1]}
	}
	if err := s.fresh(ctx, reservations.Name, req.GetMinPosition()); err != nil {
		return nil, nil, err
	}
	page, err := s.API.reservations.ListWaitersByGuest(ctx, req.GetGuestId(), after, pageSize(req.GetPageSize()))
	if err == nil && page.Next != nil {
		next = []string{page.Next.EntryID, page.Next.HotelID}
	}
	return page.Items, next, err
}

func (a *API) toEntry(w *reservations.Waiter) (*lodgev1.WaitingListEntry, error) {
	if err := a.openGuest(&w.Guest); err != nil {
		return nil, err
	}
	out := &lodgev1.WaitingListEntry{
		Name: waitingListEntryName(w.HotelID, w.EntryID), RoomType: roomTypeName(w.HotelID, w.RoomTypeID), Quantity: int32(w.Quantity),
		CheckInDate: toDate(w.Stay.CheckIn), CheckOutDate: toDate(w.Stay.CheckOut), Guest: guestRow(&w.Guest), RatePlan: planName(w.HotelID, w.RatePlanID),
		Status: lodgev1.WaitingListStatus(w.State), EndReason: lodgev1.WaitingListEndReason(w.Reason),
		JoinTime: timestamppb.New(w.CreateTime), UpdateTime: timestamppb.New(w.UpdateTime),
	}
	if w.ReservationID != "" {
		out.Reservation = reservationName(w.HotelID, w.ReservationID)
	}
	return out, nil
}

// planName is ratePlanName, or empty when there is none.
func planName(hotelID, ratePlan string) string {
	if ratePlan == "" {
		return ""
	}
	return ratePlanName(hotelID, ratePlan)
}
