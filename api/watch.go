package api

import (
	"context"
	"hash/maphash"
	"slices"
	"time"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections/availability"
)

const (
	// watchedNightsMax is how many nights of all room types together a stream watches at most. It remembers 8 bytes of each.
	watchedNightsMax = 20_000

	// watchPace is how long a stream rests after it has read: a hotel that changes all the time is read some times a second, not with each event.
	watchPace = 50 * time.Millisecond
)

// watchSink takes what a watch finds. An error ends the watch.
type watchSink interface {
	send(m *lodgev1.WatchAvailabilityResponse) error
}

type watchStream struct {
	*connect.ServerStream[lodgev1.WatchAvailabilityResponse]
}

func (s watchStream) send(m *lodgev1.WatchAvailabilityResponse) error { return s.Send(m) }

// WatchAvailability streams a hotel's nights until the caller hangs up.
func (s *availabilityService) WatchAvailability(ctx context.Context, req *connect.Request[lodgev1.WatchAvailabilityRequest], stream *connect.ServerStream[lodgev1.WatchAvailabilityResponse]) error {
	w, err := s.newWatch(ctx, req.Msg)
	if err != nil {
		return err
	}
	ctx, done, err := s.stream(ctx)
	if err != nil {
		return err
	}
	defer done()
	return w.run(ctx, watchStream{stream})
}

// watch follows the nights [from, to) of a hotel's room types. Owned by one goroutine.
type watch struct {
	api        *API
	hotel      string
	roomType   string // "": all
	from, to   domain.Date
	since      []log.Position // to go on from; nil: begin with the calendar
	heartbeat  time.Duration
	sent       map[string]sentType // by room type id: what the reader has
	at         []log.Position
	lastRead   time.Time
	hashedWith maphash.Seed
}

// sentType is what the reader has of a room type.
type sentType struct {
	maxGuests int
	nights    []uint64 // a hash of each
}

// newWatch reads what is to be watched, and waits until the read model has got as far as the cursor.
func (a *API) newWatch(ctx context.Context, req *lodgev1.WatchAvailabilityRequest) (*watch, error) {
	hotelID, roomTypeID, err := hotelAndType(req.GetHotel(), req.GetRoomType())
	if err != nil {
		return nil, err
	}
	w := &watch{api: a, hotel: hotelID, roomType: roomTypeID, heartbeat: heartbeatDefault, sent: map[string]sentType{}, hashedWith: maphash.MakeSeed()}
	if d := req.GetHeartbeatInterval(); d != nil {
		w.heartbeat = d.AsDuration()
	}
	if w.since, err = a.watchCursor(hotelID, req.GetCursor()); err != nil {
		return nil, err
	}
	for _, pos := range w.since {
		if pos.Offset--; pos.Offset < 0 {
			continue
		}
		if err := a.fresh(ctx, availability.Name, positionText(pos)); err != nil {
			return nil, err
		}
	}
	h, err := a.hotels.Get(ctx, hotelID)
	if err != nil {
		return nil, err
	}
	if roomTypeID != "" {
		if _, err := a.hotels.GetRoomType(ctx, hotelID, roomTypeID); err != nil {
			return nil, err
		}
	}
	w.from, w.to, err = nightsFrom(&h, a.opts.Clock(), req.GetStartDate(), req.GetEndDate(), nightsMax)
	return w, err
}

// watchCursor reads the positions that a watch goes on from: one of each topic that nights come from, in the hotel's partition.
func (a *API) watchCursor(hotelID string, cursor *lodgev1.Cursor) (since []log.Position, err error) {
	if cursor == nil {
		return nil, nil
	}
	topics, partition := availability.New().Topics(), a.deps.Store.PartitionFor(hotelID)
	for _, text := range cursor.GetPositions() {
		pos, named, err := parsePosition(text, "cursor.positions")
		if err != nil {
			return nil, err
		}
		known := slices.ContainsFunc(since, func(p log.Position) bool { return p.Topic == pos.Topic })
		if !named || known || pos.Partition != partition || !slices.Contains(topics, pos.Topic) {
			return nil, domain.Errorf(ReasonInvalidPosition, "cursor.positions", "%.300q is not from a stream of hotel %s", text, hotelID)
		}
		since = append(since, pos)
	}
	if len(since) != len(topics) {
		return nil, domain.Errorf(ReasonInvalidPosition, "cursor.positions", "a cursor of hotel %s has %d positions, not %d", hotelID, len(topics), len(since))
	}
	return since, nil
}

// run sends until ctx ends or something fails, and returns why.
func (w *watch) run(ctx context.Context, to watchSink) error {
	told := w.api.watchers.add(w.hotel)
	defer w.api.watchers.remove(told)
	if err := w.begin(ctx, to); err != nil {
		return ended(ctx, err)
	}
	silence := time.NewTimer(w.heartbeat)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-silence.C:
			err := to.send(w.message(&lodgev1.WatchAvailabilityResponse{
				Message: &lodgev1.WatchAvailabilityResponse_Heartbeat_{Heartbeat: &lodgev1.WatchAvailabilityResponse_Heartbeat{}},
			}))
			if err != nil {
				return err
			}
			silence.Reset(w.heartbeat)
		case <-told.wake:
			sent, err := w.follow(ctx, told, to)
			if err != nil {
				return ended(ctx, err)
			}
			if sent {
				silence.Reset(w.heartbeat)
			}
		}
	}
}

// ended returns why a stream has ended: why its context did, or else err.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// begin sends the calendar, or what has changed of it since the cursor, and then that it has caught up.
func (w *watch) begin(ctx context.Context, to watchSink) error {
	now, err := w.read(ctx)
	if err != nil {
		return err
	}
	touched, known := []availability.Touched(nil), false
	if w.since != nil {
		if touched, known, err = w.touched(ctx); err != nil {
			return err
		}
	}
	if known {
		w.remember(now)
		err = w.sendChange(ctx, w.among(now, touched), nil, log.Position{}, to)
	} else {
		err = w.sendCalendar(ctx, now, to)
	}
	if err != nil {
		return err
	}
	return to.send(w.message(&lodgev1.WatchAvailabilityResponse{
		Message: &lodgev1.WatchAvailabilityResponse_CaughtUp_{CaughtUp: &lodgev1.WatchAvailabilityResponse_CaughtUp{}},
	}))
}

// follow reads the nights again and sends those that have changed. A room type that appears is sent with all its nights.
func (w *watch) follow(ctx context.Context, told *watcher, to watchSink) (sent bool, err error) {
	if rest := watchPace - time.Since(w.lastRead); rest > 0 {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	position, _ := w.api.watchers.take(told)
	now, err := w.read(ctx)
	if err != nil {
		return false, err
	}
	var changed []availability.Nights
	for i := range now {
		if different := w.different(&now[i]); len(different.Nights) > 0 {
			changed = append(changed, different)
		}
	}
	var removed []string
	for id := range w.sent {
		if !slices.ContainsFunc(now, func(t availability.Nights) bool { return t.RoomTypeID == id }) {
			removed = append(removed, id)
		}
	}
	if changed == nil && removed == nil {
		return false, nil
	}
	slices.Sort(removed)
	w.remember(now)
	return true, w.sendChange(ctx, changed, removed, position, to)
}

// read reads the range as it is now, and notes as of when that is.
func (w *watch) read(ctx context.Context) ([]availability.Nights, error) {
	w.lastRead = time.Now()
	found, err := w.api.availability.Calendar(ctx, w.hotel, w.roomType, w.from, w.to)
	if err != nil {
		return nil, err
	}
	if n := len(found.RoomTypes) * int(w.to-w.from); n > watchedNightsMax {
		return nil, domain.Errorf(domain.LimitReached, "end_date", "%d nights of room types are more than %d: name a room type or fewer nights", n, watchedNightsMax)
	}
	w.at = found.At
	return found.RoomTypes, nil
}

// nightKey is all of a night that a reader sees.
type nightKey struct {
	physical, outOfOrder, overbooking, percent, sold, held int
	rate                                                   domain.Money
	priced                                                 bool
	restrictions                                           hotel.Restrictions
}

func (w *watch) hash(n *availability.Night) uint64 {
	key := nightKey{n.Physical, n.OutOfOrder, n.Overbooking, n.OverbookingPercent, n.Sold, n.Held, domain.Money{}, n.Rate != nil, n.Restrictions}
	if n.Rate != nil {
		key.rate = *n.Rate
	}
	return maphash.Comparable(w.hashedWith, key)
}

// remember notes that the reader has these nights.
func (w *watch) remember(now []availability.Nights) {
	clear(w.sent)
	for i := range now {
		t := sentType{now[i].MaxGuests, make([]uint64, len(now[i].Nights))}
		for j := range now[i].Nights {
			t.nights[j] = w.hash(&now[i].Nights[j])
		}
		w.sent[now[i].RoomTypeID] = t
	}
}

// different returns the nights that the reader has otherwise, or not at all.
func (w *watch) different(t *availability.Nights) availability.Nights {
	known, ok := w.sent[t.RoomTypeID]
	if !ok || known.maxGuests != t.MaxGuests {
		return *t
	}
	out := *t
	out.Nights = nil
	for i := range t.Nights {
		if w.hash(&t.Nights[i]) != known.nights[i] {
			out.Nights = append(out.Nights, t.Nights[i])
		}
	}
	return out
}

func (w *watch) sendCalendar(ctx context.Context, now []availability.Nights, to watchSink) error {
	types, err := w.messages(ctx, now)
	if err != nil {
		return err
	}
	w.remember(now)
	return to.send(w.message(&lodgev1.WatchAvailabilityResponse{Message: &lodgev1.WatchAvailabilityResponse_Calendar{
		Calendar: &lodgev1.Availability{Hotel: hotelName(w.hotel), RoomTypes: types},
	}}))
}

// sendChange sends what has changed, if anything.
func (w *watch) sendChange(ctx context.Context, changed []availability.Nights, removed []string, position log.Position, to watchSink) error {
	if len(changed) == 0 && len(removed) == 0 {
		return nil
	}
	types, err := w.messages(ctx, changed)
	if err != nil {
		return err
	}
	change := &lodgev1.WatchAvailabilityResponse_Change{RoomTypes: types}
	for _, id := range removed {
		change.RemovedRoomTypes = append(change.RemovedRoomTypes, roomTypeName(w.hotel, id))
	}
	if position.Topic != "" {
		change.Position = positionText(position)
	}
	return to.send(w.message(&lodgev1.WatchAvailabilityResponse{Message: &lodgev1.WatchAvailabilityResponse_Change_{Change: change}}))
}

func (w *watch) messages(ctx context.Context, nights []availability.Nights) ([]*lodgev1.RoomTypeAvailability, error) {
	s, err := w.api.sheetOf(ctx, w.hotel)
	if err != nil {
		return nil, err
	}
	var types []*lodgev1.RoomTypeAvailability
	for i := range nights {
		name := ""
		if t := s.roomTypes[nights[i].RoomTypeID]; t != nil {
			name = t.DisplayName
		}
		types = append(types, toRoomTypeAvailability(w.hotel, name, &nights[i]))
	}
	return types, nil
}

// message adds the cursor.
func (w *watch) message(m *lodgev1.WatchAvailabilityResponse) *lodgev1.WatchAvailabilityResponse {
	m.Cursor = &lodgev1.Cursor{}
	for _, pos := range w.at {
		m.Cursor.Positions = append(m.Cursor.Positions, positionText(pos))
	}
	return m
}
