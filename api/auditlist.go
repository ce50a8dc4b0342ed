package api

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"connectrpc.com/connect"

	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/trail"
	"lodge/commands"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/log"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// auditService tells who did what: the events of the platform's topics and the audit trail, merged. Successes are events and are nowhere else.
type auditService struct{ *API }

// What is read of a partition at once, in records, when the newest come first: more each time that none of them matches.
const (
	auditWindowMin = 64
	auditWindowMax = 8192
)

// auditLane is one partition's part of a list.
type auditLane struct {
	tp      log.TopicPartition
	low     log.Offset // not looked at yet: [low, high)
	high    log.Offset
	chosen  *log.Filter  // nil: all
	only    []log.Offset // ascending; not nil: no others
	window  log.Offset
	pending []auditItem // match, and wait for their turn
	read    bool        // for this page
}

// auditItem is an entry that matches.
type auditItem struct {
	offset log.Offset
	at     time.Time
	entry  *lodgev1.AuditEntry
}

// rest returns what is to be looked at for the pages that follow.
func (l *auditLane) rest(newest bool) (low, high log.Offset) {
	switch {
	case len(l.pending) == 0:
		return l.low, l.high
	case newest:
		return l.low, l.pending[0].offset + 1
	}
	return l.pending[0].offset, l.high
}

// ListAuditEntries returns one page.
func (s *auditService) ListAuditEntries(ctx context.Context, req *connect.Request[lodgev1.ListAuditEntriesRequest]) (*connect.Response[lodgev1.ListAuditEntriesResponse], error) {
	filter, err := newAuditFilter(req.Msg)
	if err != nil {
		return nil, err
	}
	filter.hideAddress, filter.open = isStaff(ctx), s.openReason
	token, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	if token == nil && s.deps.Trail != nil {
		_ = s.deps.Trail.Sync(ctx) // what cannot be written is not in the list; health says so
	}
	lanes, err := s.auditLanes(ctx, filter)
	if err != nil {
		return nil, err
	}
	if token != nil {
		err = resumeAudit(lanes, []byte(token[0]))
	} else {
		err = s.boundAudit(ctx, lanes, filter)
	}
	if err == nil {
		err = s.onlyReservation(ctx, lanes, filter, token == nil)
	}
	if err != nil {
		return nil, err
	}
	page := &auditPage{API: s.API, lanes: lanes, filter: filter, budget: s.opts.ScanMax}
	res := &lodgev1.ListAuditEntriesResponse{}
	if res.Entries, err = page.read(ctx, pageSize(req.Msg.GetPageSize())); err != nil {
		return nil, err
	}
	if rest, more := page.rest(); more {
		res.NextPageToken = newPageToken(req.Msg, string(rest))
	}
	return connect.NewResponse(res), nil
}

// isStaff reports whether a call is that of staff.
func isStaff(ctx context.Context) bool {
	c := callerOf(ctx)
	return c != nil && c.token != nil && c.token.Role == access.Staff
}

// auditLanes returns the partitions that may hold what a filter wants, always in the same order.
func (a *API) auditLanes(ctx context.Context, f *auditFilter) ([]auditLane, error) {
	var lanes []auditLane
	if f.wantsEvents() {
		events := eventFilter{types: f.eventTypes()}
		if f.hotelID != "" {
			events.keys = map[string]bool{f.hotelID: true}
		}
		for _, topic := range commands.Topics() {
			partitions, err := a.partitions(ctx, string(topic), nil, &events)
			if err != nil {
				return nil, err
			}
			for _, tp := range partitions {
				lanes = append(lanes, auditLane{tp: tp, chosen: events.request()})
			}
		}
	}
	if a.deps.Trail != nil && f.wantsCalls() {
		lanes = append(lanes, auditLane{tp: trail.Partition, chosen: f.trailFilter()})
	}
	return lanes, nil
}

// boundAudit says what the lanes hold now, within the filter's times.
func (a *API) boundAudit(ctx context.Context, lanes []auditLane, f *auditFilter) error {
	for i := range lanes {
		l := &lanes[i]
		var err error
		if l.low, l.high, err = a.deps.Log.Offsets(ctx, l.tp); err != nil {
			return err
		}
		if !f.start.IsZero() {
			from, err := a.deps.Log.OffsetForTime(ctx, l.tp, f.start)
			if err != nil {
				return err
			}
			l.low = max(l.low, from)
		}
		if !f.end.IsZero() {
			to, err := a.deps.Log.OffsetForTime(ctx, l.tp, f.end)
			if err != nil {
				return err
			}
			l.high = min(l.high, to)
		}
		l.high = max(l.low, l.high)
	}
	return nil
}

// lifeMax bounds the events of one reservation that are listed.
const lifeMax = 10_000

// onlyReservation asks the read models where a reservation's events lie, so that not all of its hotel's are looked at. They must have got as far as the lanes.
func (a *API) onlyReservation(ctx context.Context, lanes []auditLane, f *auditFilter, first bool) error {
	if f.reservationID == "" {
		return nil
	}
	models := map[log.Topic]string{event.BookingsTopic: reservations.Name, event.PaymentsTopic: payments.Name}
	only := map[log.Topic][]log.Offset{}
	for i := range lanes {
		l := &lanes[i]
		model, ok := models[l.tp.Topic]
		if !ok || l.high == 0 || !first {
			continue
		}
		at := log.Position{Topic: l.tp.Topic, Partition: l.tp.Partition, Offset: l.high - 1}
		if err := a.fresh(ctx, model, at.String()); err != nil {
			return err
		}
	}
	for from, n := (&reservations.Places{}), 0; from != nil; {
		found, next, err := a.reservations.Life(ctx, a.payments, f.hotelID, f.reservationID, *from, historyPageMax)
		if err != nil {
			return err
		}
		if n += len(found); n > lifeMax {
			return domain.Errorf(domain.LimitReached, "reservation", "it has more than %d events", lifeMax)
		}
		for _, at := range found {
			only[at.Topic] = append(only[at.Topic], at.Offset)
		}
		from = next
	}
	for i := range lanes {
		if l := &lanes[i]; l.tp.Topic != trail.Topic {
			l.only = append([]log.Offset{}, only[l.tp.Topic]...)
			slices.Sort(l.only)
		}
	}
	return nil
}

// auditPage is a page that is being read.
type auditPage struct {
	*API
	lanes  []auditLane
	filter *auditFilter
	budget int // records that may be looked at
}

// read merges the lanes by time until there are size entries, or none left, or enough was looked at.
func (p *auditPage) read(ctx context.Context, size int) (entries []*lodgev1.AuditEntry, err error) {
	for len(entries) < size {
		for i := range p.lanes {
			if err := p.refill(ctx, &p.lanes[i]); err != nil {
				return nil, err
			}
		}
		next := p.next()
		if next == nil {
			break
		}
		entries = append(entries, next.pending[0].entry)
		next.pending = next.pending[1:]
	}
	return entries, nil
}

// next returns the lane whose entry comes next, or nil when there is none, or when one that has not been read yet may come before.
func (p *auditPage) next() (first *auditLane) {
	for i := range p.lanes {
		l := &p.lanes[i]
		if len(l.pending) == 0 {
			if l.low < l.high {
				return nil
			}
			continue
		}
		if first == nil || p.filter.before(&l.pending[0], &first.pending[0]) {
			first = l
		}
	}
	return first
}

// rest returns where the page that follows goes on, and whether there may be one.
func (p *auditPage) rest() (token []byte, more bool) {
	for i := range p.lanes {
		low, high := p.lanes[i].rest(p.filter.newest)
		token = binary.AppendUvarint(binary.AppendUvarint(token, uint64(low)), uint64(high))
		more = more || low < high
	}
	return token, more
}

// resumeAudit is the reverse of rest.
func resumeAudit(lanes []auditLane, token []byte) error {
	for i := range lanes {
		low, n := binary.Uvarint(token)
		high, m := binary.Uvarint(token[max(n, 0):])
		if n <= 0 || m <= 0 || low > high {
			return badToken("is for other partitions")
		}
		lanes[i].low, lanes[i].high, token = log.Offset(low), log.Offset(high), token[n+m:]
	}
	if len(token) > 0 {
		return badToken("is for other partitions")
	}
	return nil
}

// refill sees to it that a lane that is not at its end has an entry waiting, as far as the budget goes. A lane's first read does not ask for the budget, so that every page
// gets ahead.
func (p *auditPage) refill(ctx context.Context, l *auditLane) error {
	for len(l.pending) == 0 && l.low < l.high && (p.budget > 0 || !l.read) {
		l.read = true
		err := p.look(ctx, l)
		if log.CodeOf(err) == log.OffsetOutOfRange { // retention has taken the beginning meanwhile
			var start log.Offset
			if start, _, err = p.deps.Log.Offsets(ctx, l.tp); err == nil && start <= l.low {
				return log.NewError(log.Unavailable, "list the audit trail", "%s changes", l.tp)
			}
			l.low = min(start, l.high)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// look takes in a lane's next stretch.
func (p *auditPage) look(ctx context.Context, l *auditLane) error {
	switch {
	case l.only != nil:
		return p.lookAt(ctx, l)
	case !p.filter.newest:
		next, found, err := p.fetch(ctx, l, l.low, l.high)
		if err == nil {
			l.low, l.pending = next, found
		}
		return err
	}
	l.window = min(max(2*l.window, auditWindowMin), auditWindowMax)
	from := max(l.low, l.high-l.window)
	var all []auditItem
	for at := from; at < l.high; {
		next, found, err := p.fetch(ctx, l, at, l.high)
		if err != nil {
			return err
		}
		all, at = append(all, found...), next
	}
	slices.Reverse(all)
	if l.high, l.pending = from, all; len(all) > 0 {
		l.window = auditWindowMin / 2
	}
	return nil
}

// lookAt takes in the next of a lane's records that are known.
func (p *auditPage) lookAt(ctx context.Context, l *auditLane) error {
	within := slices.DeleteFunc(slices.Clone(l.only), func(o log.Offset) bool { return o < l.low || o >= l.high })
	if len(within) == 0 {
		l.low = l.high
		return nil
	}
	offset := within[0]
	if p.filter.newest {
		offset = within[len(within)-1]
	}
	p.budget--
	r, err := p.recordAt(ctx, log.Position{Topic: l.tp.Topic, Partition: l.tp.Partition, Offset: offset})
	if err != nil {
		return err
	}
	if p.filter.newest {
		l.high = offset
	} else {
		l.low = offset + 1
	}
	item, ok, err := p.filter.item(r)
	if ok {
		l.pending = append(l.pending, item)
	}
	return err
}

// fetch returns what matches from an offset on, as far as one read goes and below high, and where to go on.
func (p *auditPage) fetch(ctx context.Context, l *auditLane, from, high log.Offset) (next log.Offset, found []auditItem, err error) {
	got, err := p.deps.Log.Fetch(ctx, log.FetchRequest{TopicPartition: l.tp, Offset: from, MaxBytes: scanBytes, Filter: l.chosen})
	if err != nil {
		return from, nil, err
	}
	for i := range got.Records {
		if got.Records[i].Offset >= high {
			break
		}
		item, ok, err := p.filter.item(&got.Records[i])
		if err != nil {
			return from, nil, err
		}
		if ok {
			found = append(found, item)
		}
	}
	next = min(got.Next, high)
	p.budget -= max(len(got.Records), int(min(next-from, scanCostMax)))
	if next <= from { // nothing below the high watermark after all
		next = high
	}
	return next, found, nil
}
