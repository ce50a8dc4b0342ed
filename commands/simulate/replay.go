package simulate

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
)

// replay is one run of the history under one policy.
type replay struct {
	h          *history
	opts       *Options
	start, end domain.Date // what is reported

	calendars   map[string]*calendar
	types       []string // by base rate, then id
	inventory   int      // changes applied
	stays       map[string]*stay
	arrivals    map[domain.Date][]*stay
	donors      map[string]*eventpb.ReservationPlaced // placed last, by room type
	pending     cancellations
	day         domain.Date // nights before it have ended
	granted     int
	books       *books
	divergences int
}

func newReplay(h *history, opts *Options, start, end domain.Date) *replay {
	r := &replay{
		h: h, opts: opts, start: start, end: end, calendars: make(map[string]*calendar), stays: make(map[string]*stay),
		arrivals: make(map[domain.Date][]*stay), donors: make(map[string]*eventpb.ReservationPlaced), day: h.first,
		books: newBooks(opts.Period, start, end),
	}
	for id := range h.roomTypes {
		r.types = append(r.types, id)
		r.calendars[id] = new(calendar)
	}
	slices.SortFunc(r.types, h.cheaper)
	return r
}

// cheaper orders room types by their base rates.
func (h *history) cheaper(a, b string) int {
	x, y := h.roomTypes[a].GetBaseRate().GetMinorUnits(), h.roomTypes[b].GetBaseRate().GetMinorUnits()
	switch {
	case x != y && x < y, x == y && a < b:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// run replays everything and sums it up.
func (r *replay) run(ctx context.Context) (Outcome, error) {
	const every = 1024
	for i := 0; i < len(r.h.bookings); {
		if i%every == 0 && ctx.Err() != nil {
			return Outcome{}, context.Cause(ctx)
		}
		b := &r.h.bookings[i]
		r.advance(b.at, b.day)
		n, err := r.apply(i)
		if err != nil {
			return Outcome{}, err
		}
		i += n
	}
	if err := r.bringUp(log.Offset(1 << 62)); err != nil {
		return Outcome{}, err
	}
	r.advance(r.end.AddDays(1).Time(r.h.place), r.end)
	return r.books.outcome(), nil
}

// advance lets time pass: cancellations that were borrowed happen, and nights before today end.
func (r *replay) advance(now time.Time, today domain.Date) {
	for {
		// A night ends before what happens on the days behind it.
		next, due := today, false
		if len(r.pending) > 0 && !r.pending[0].fate.canceled.After(now) {
			next, due = domain.Today(r.pending[0].fate.canceled, r.h.place), true
		}
		for r.day < min(next, today, r.end) {
			r.endNight(r.day)
			r.day++
		}
		if !due {
			return
		}
		s := heap.Pop(&r.pending).(*stay)
		if !s.gone {
			r.release(s, s.CheckIn)
			r.cancel(s, s.fate.canceled)
		}
	}
}

// bringUp applies the inventory before an offset.
func (r *replay) bringUp(mark log.Offset) error {
	for r.inventory < len(r.h.inventory) && r.h.inventory[r.inventory].offset < mark {
		ch := &r.h.inventory[r.inventory]
		c := r.calendars[ch.set.GetRoomTypeId()]
		if c == nil {
			c = new(calendar)
			r.calendars[ch.set.GetRoomTypeId()] = c
		}
		if err := c.set(ch); err != nil {
			return err
		}
		r.inventory++
	}
	return nil
}

// apply replays the event at i, or the whole group that it begins, and returns how many events that were.
func (r *replay) apply(i int) (int, error) {
	b := &r.h.bookings[i]
	if m, ok := b.message.(interface{ GetInventoryOffset() int64 }); ok {
		if err := r.bringUp(log.Offset(m.GetInventoryOffset())); err != nil {
			return 0, err
		}
	}
	switch m := b.message.(type) {
	case *eventpb.ReservationPlaced, *eventpb.ReservationRejected:
		n := r.groupAt(i)
		return n, r.request(r.h.bookings[i : i+n])
	case *eventpb.ReservationModified:
		return 1, r.modify(m)
	case *eventpb.ReservationCanceled:
		r.finish(m.GetReservationId(), b.at)
	case *eventpb.ReservationDeclined:
		r.finish(m.GetReservationId(), b.at)
	case *eventpb.ReservationNoShow:
		r.finish(m.GetReservationId(), b.at)
	case *eventpb.GuestCheckedOut:
		if s := r.stays[m.GetReservationId()]; s != nil && !s.gone {
			r.release(s, max(s.CheckIn, min(s.fate.left, s.CheckOut)))
		}
	}
	return 1, nil
}

func groupOf(m proto.Message) string {
	if g, ok := m.(interface{ GetGroupId() string }); ok {
		return g.GetGroupId()
	}
	return ""
}

// groupAt returns how many events from i on are of one request.
func (r *replay) groupAt(i int) int {
	id, n := groupOf(r.h.bookings[i].message), 1
	for id != "" && i+n < len(r.h.bookings) && groupOf(r.h.bookings[i+n].message) == id {
		n++
	}
	return n
}

// request grants or refuses what was asked for together.
func (r *replay) request(asked []booking) error {
	stays := make([]*stay, len(asked))
	restricted, wasGranted := false, false
	for i := range asked {
		var err error
		switch m := asked[i].message.(type) {
		case *eventpb.ReservationPlaced:
			wasGranted = true
			stays[i], err = readStay(m.GetStay())
		case *eventpb.ReservationRejected:
			restricted = restricted || len(m.GetBrokenRestrictions()) > 0
			stays[i], err = readStay(m.GetStay())
		}
		if err != nil {
			return err
		}
	}
	granted := !restricted
	var taken []*stay
	for _, s := range stays {
		if granted = granted && r.fits(s, nil); !granted {
			break
		}
		r.take(s)
		taken = append(taken, s)
	}
	if granted != wasGranted {
		r.divergences++
	}
	for i, s := range stays {
		switch {
		case granted:
			r.grant(&asked[i], s)
		case restricted:
			r.books.on(s.CheckIn).Restricted++
		default:
			r.books.turnedAway(s)
		}
	}
	if !granted {
		for _, s := range taken {
			r.release(s, s.CheckIn)
		}
	}
	return nil
}

// fits reports whether every night has room, beside what before gives back.
func (r *replay) fits(s, before *stay) bool {
	c := r.calendars[s.roomType]
	if c == nil {
		return false
	}
	policy := &r.opts.Policy
	if policy.RoomType != "" && policy.RoomType != s.roomType {
		policy = nil
	}
	for d := range s.All() {
		n := c.peek(d)
		had := int32(0)
		if before != nil && before.roomType == s.roomType && before.Contains(d) {
			had = before.quantity
		}
		if had < s.quantity && n.sold-had+s.quantity > n.sellable(policy) {
			return false
		}
	}
	return true
}

// take takes the rooms of a stay that fits, or that a stay of before it had.
func (r *replay) take(s *stay) {
	c := r.calendars[s.roomType]
	if c.span(s.CheckIn, s.CheckOut) != nil {
		return // beyond what there can be: it did not fit
	}
	for d := range s.All() {
		c.at(d).sold += s.quantity
	}
}

// release gives back the nights from a day on.
func (r *replay) release(s *stay, from domain.Date) {
	s.gone = true
	c := r.calendars[s.roomType]
	for d := from; d < s.CheckOut; d++ {
		c.at(d).sold -= s.quantity
	}
}

// grant makes a stay of what has its rooms.
func (r *replay) grant(b *booking, s *stay) {
	r.granted++
	s.order = r.granted
	id := ""
	switch m := b.message.(type) {
	case *eventpb.ReservationPlaced:
		id = m.GetReservationId()
		s.fate = *r.h.fates[id]
		s.priced(m.GetNightlyMinorUnits(), m.GetTotalMinorUnits(), m.GetTerms())
		r.donors[s.roomType] = m
	case *eventpb.ReservationRejected:
		id = m.GetReservationId()
		r.borrow(s, b.at)
	}
	r.stays[id] = s
	r.arrivals[s.CheckIn] = append(r.arrivals[s.CheckIn], s)
	r.books.on(s.CheckIn).Requests++
	r.books.on(s.CheckIn).Granted++
}

func (s *stay) priced(nightly []int64, total int64, terms *eventpb.Terms) {
	s.nightly, s.total, s.terms = nightly, total, terms.GetCancellation()
}

// borrow gives a guest who was turned away the price and the fate of another.
func (r *replay) borrow(s *stay, asked time.Time) {
	s.borrowed = true
	s.nightly = make([]int64, s.Nights())
	rate := r.h.roomTypes[s.roomType].GetBaseRate().GetMinorUnits()
	donor := r.donors[s.roomType]
	if donor != nil {
		rate = perRoomNight(donor)
		s.terms = donor.GetTerms().GetCancellation()
	}
	for i := range s.nightly {
		s.nightly[i] = rate * int64(s.quantity)
		s.total += s.nightly[i]
	}
	if donor == nil {
		return
	}
	f := r.h.fates[donor.GetReservationId()]
	s.fate = fate{placed: asked, noShow: f.noShow, free: f.free}
	ended := f.canceled
	if f.declined {
		ended = f.placed // nobody was to come
		s.fate.free = true
	}
	if ended.IsZero() {
		return
	}
	s.fate.canceled = asked
	if in, err := domain.ParseDate(donor.GetStay().GetCheckInDate()); err == nil {
		theirs, ours := in.Time(r.h.place).Sub(f.placed), s.CheckIn.Time(r.h.place).Sub(asked)
		if theirs > 0 && ours > 0 {
			part := min(1, float64(ended.Sub(f.placed))/float64(theirs))
			s.fate.canceled = asked.Add(time.Duration(part * float64(ours)).Truncate(time.Second))
		}
	}
	heap.Push(&r.pending, s)
}

// modify changes a stay when there is room for the change.
func (r *replay) modify(m *eventpb.ReservationModified) error {
	was := r.stays[m.GetReservationId()]
	if was == nil || was.gone {
		return nil
	}
	is, err := readStay(m.GetStay())
	if err != nil {
		return err
	}
	if !r.fits(is, was) {
		r.books.on(was.CheckIn).LostChanges++
		r.divergences++
		return nil
	}
	r.release(was, was.CheckIn)
	was.replaced = true
	r.take(is)
	is.fate, is.order, is.terms = was.fate, was.order, was.terms
	if is.nightly, is.total = m.GetNightlyMinorUnits(), m.GetTotalMinorUnits(); len(is.nightly) == 0 {
		is.nightly = was.nightly // only names were changed
	}
	r.stays[m.GetReservationId()] = is
	if was.CheckIn == is.CheckIn && is.CheckIn < r.day { // the day of arrival is over
		r.staysOn(was, is)
		return nil
	}
	r.arrivals[is.CheckIn] = append(r.arrivals[is.CheckIn], is)
	return nil
}

// finish ends a reservation as it ended, if this history has it.
func (r *replay) finish(id string, at time.Time) {
	s := r.stays[id]
	if s == nil || s.gone {
		return
	}
	r.release(s, s.CheckIn)
	if s.fate.noShow {
		return // its night said so
	}
	r.cancel(s, at)
}

// cancel books a cancellation.
func (r *replay) cancel(s *stay, at time.Time) {
	f := r.books.on(s.CheckIn)
	f.Canceled++
	if !s.fate.free {
		f.FeeRevenue += cancellationFee(r.termsOf(s), s, at, r.h.place)
	}
}

func (r *replay) termsOf(s *stay) *eventpb.CancellationTerms {
	if r.opts.Policy.Cancellation != nil {
		return r.opts.Policy.Cancellation
	}
	return s.terms
}

// cancellations are those that were borrowed, the next one first.
type cancellations []*stay

func (c cancellations) Len() int { return len(c) }
func (c cancellations) Less(i, j int) bool {
	if !c[i].fate.canceled.Equal(c[j].fate.canceled) {
		return c[i].fate.canceled.Before(c[j].fate.canceled)
	}
	return c[i].order < c[j].order
}
func (c cancellations) Swap(i, j int) { c[i], c[j] = c[j], c[i] }

// Push implements heap.Interface.
func (c *cancellations) Push(x any) { *c = append(*c, x.(*stay)) }

// Pop implements heap.Interface.
func (c *cancellations) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}
