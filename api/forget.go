package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands/persons"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// guestService serves guests as persons.
type guestService struct{ *API }

const guestsPrefix = "guests/"

// forgetPage is how many reservations or entries of an account one call looks at.
const forgetPage = 100

// ForgetGuest forgets who the guests of a booking or of an account are.
func (s *guestService) ForgetGuest(ctx context.Context, req *connect.Request[lodgev1.ForgetGuestRequest]) (*connect.Response[lodgev1.ForgetGuestResponse], error) {
	c, err := newCall(ctx, req.Header(), req.Msg.GetRequestId())
	if err != nil {
		return nil, err
	}
	if s.deps.Persons == nil {
		return nil, log.NewError(log.Unavailable, "forget a guest", "the keys of persons are not here")
	}
	f := &forgetting{API: s.API, call: c, force: req.Msg.GetForce(), answer: &lodgev1.ForgetGuestResponse{}}
	if guest, ok := strings.CutPrefix(req.Msg.GetName(), guestsPrefix); ok {
		err = f.account(ctx, guest, req.Msg)
	} else {
		err = f.one(ctx, req.Msg)
	}
	return respond(f.answer, err)
}

// forgetting is one call.
type forgetting struct {
	*API
	call   call
	force  bool
	answer *lodgev1.ForgetGuestResponse
}

// one forgets the guest of one reservation or entry.
func (f *forgetting) one(ctx context.Context, req *lodgev1.ForgetGuestRequest) error {
	if req.GetPageToken() != "" {
		return badToken("is for an account")
	}
	if strings.Contains(req.GetName(), waitingListInfix) {
		hotelID, id, err := parseWaitingListEntry(req.GetName(), "name")
		if err != nil {
			return err
		}
		if err := f.caughtUp(ctx, f.deps.Store.PartitionFor(hotelID)); err != nil {
			return err
		}
		w, err := f.reservations.GetWaiter(ctx, hotelID, id)
		if err != nil {
			return err
		}
		return f.entry(ctx, &w, f.call.requestID)
	}
	hotelID, id, err := parseReservation(req.GetName(), "name")
	if err != nil {
		return err
	}
	if err := f.caughtUp(ctx, f.deps.Store.PartitionFor(hotelID)); err != nil {
		return err
	}
	r, err := f.reservations.Get(ctx, hotelID, id.String())
	if err != nil {
		return err
	}
	return f.reservation(ctx, &r, f.call.requestID)
}

// The two lists of an account, as page tokens name them.
const (
	forgetReservations = "r"
	forgetEntries      = "w"
)

// account forgets the guests of an account's reservations, page by page, and then those of its entries in waiting lists. Whom it cannot forget it keeps and names.
func (f *forgetting) account(ctx context.Context, guest string, req *lodgev1.ForgetGuestRequest) error {
	if guest == "" || len(guest) > hotel.GuestIDMax {
		return badName(req.GetName(), "name", "guests/{guest_id}")
	}
	token, err := parsePageToken(req, req.GetPageToken(), 4)
	if err != nil {
		return err
	}
	if token == nil {
		token = []string{forgetReservations, "0", "", ""}
		if err := f.allCaughtUp(ctx); err != nil {
			return err
		}
	}
	var next []string
	if token[0] == forgetReservations {
		next, err = f.accountReservations(ctx, guest, token)
	} else {
		next, err = f.accountEntries(ctx, guest, token)
	}
	switch {
	case err != nil:
		return err
	case next != nil:
		f.answer.NextPageToken = newPageToken(req, next...)
		return nil
	}
	return f.login(ctx, guest)
}

// login deletes an account's way to sign in, with its e-mail address, unless something of the account was kept, on this page or one before.
func (f *forgetting) login(ctx context.Context, guest string) error {
	if f.deps.Accounts == nil || len(f.answer.GetKept()) > 0 {
		return nil
	}
	if err := f.allCaughtUp(ctx); err != nil {
		return err
	}
	kept, err := f.reservations.ListByGuest(ctx, guest, reservations.Cursor{}, 1)
	if err != nil || len(kept.Items) > 0 {
		return err
	}
	waits, err := f.reservations.ListWaitersByGuest(ctx, guest, reservations.WaiterCursor{}, 1)
	if err != nil || len(waits.Items) > 0 {
		return err
	}
	_, err = f.deps.Accounts.DeleteGuest(ctx, guest)
	return err
}

func (f *forgetting) accountReservations(ctx context.Context, guest string, token []string) (next []string, err error) {
	after, err := reservationCursor(token[1:])
	if err != nil {
		return nil, err
	}
	if token[2] == "" {
		after = reservations.Cursor{}
	}
	page, err := f.reservations.ListByGuest(ctx, guest, after, forgetPage)
	if err != nil {
		return nil, err
	}
	for i := range page.Items {
		r := &page.Items[i]
		name := reservationName(r.HotelID, r.ReservationID)
		if err := f.keep(name, f.reservation(ctx, r, f.derive(name))); err != nil {
			return nil, err
		}
	}
	if page.Next != nil {
		return []string{forgetReservations, strconv.Itoa(int(page.Next.CheckIn)), page.Next.HotelID, page.Next.ReservationID}, nil
	}
	return []string{forgetEntries, "0", "", ""}, nil
}

func (f *forgetting) accountEntries(ctx context.Context, guest string, token []string) (next []string, err error) {
	page, err := f.reservations.ListWaitersByGuest(ctx, guest, reservations.WaiterCursor{EntryID: token[3], HotelID: token[2]}, forgetPage)
	if err != nil {
		return nil, err
	}
	for i := range page.Items {
		w := &page.Items[i]
		name := waitingListEntryName(w.HotelID, w.EntryID)
		if err := f.keep(name, f.entry(ctx, w, f.derive(name))); err != nil {
			return nil, err
		}
	}
	if page.Next != nil {
		next = []string{forgetEntries, "0", page.Next.HotelID, page.Next.EntryID}
	}
	return next, nil
}

// keep notes in the answer what is kept for a reason of the hotel's; other errors end the call.
func (f *forgetting) keep(name string, err error) error {
	var broken *domain.Error
	if !errors.As(err, &broken) || broken.Reason != domain.GuestExpected && broken.Reason != domain.GuestNotSealed {
		return err
	}
	f.answer.Kept = append(f.answer.Kept, &lodgev1.ForgetGuestResponse_Kept{Name: name, Reason: string(broken.Reason), Text: broken.Text})
	return nil
}

// derive makes the request id of a part of the call, the same for the same part of the same request.
func (f *forgetting) derive(name string) uuid.UUID {
	sum := sha256.Sum256(append(f.call.requestID[:], name...))
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id
}

// reservation forgets the guests of a reservation: all that its events and those of its payments have sealed.
func (f *forgetting) reservation(ctx context.Context, r *reservations.Reservation, requestID uuid.UUID) error {
	var keys []uint64
	for from := (&reservations.Places{}); from != nil; {
		var found []log.Position
		var err error
		if found, from, err = f.reservations.Life(ctx, f.payments, r.HotelID, r.ReservationID, *from, reservations.PageMax); err != nil {
			return err
		}
		for _, at := range found {
			if keys, err = f.keysAt(ctx, at, keys); err != nil {
				return err
			}
		}
	}
	return f.forget(ctx, keys, r.Guest.GuestID, requestID, func(keys []uint64) hotel.Command {
		return &hotel.ForgetGuest{Hotel: r.HotelID, ReservationID: r.ReservationID, Keys: keys, Force: f.force}
	})
}

// entry forgets the guest of an entry of a waiting list. What people wrote of it came with its first event or its last.
func (f *forgetting) entry(ctx context.Context, w *reservations.Waiter, requestID uuid.UUID) error {
	at := log.Position{Topic: event.BookingsTopic, Partition: f.deps.Store.PartitionFor(w.HotelID)}
	var keys []uint64
	for _, at.Offset = range []log.Offset{w.Created, w.Updated} {
		var err error
		if keys, err = f.keysAt(ctx, at, keys); err != nil {
			return err
		}
	}
	return f.forget(ctx, keys, w.Guest.GuestID, requestID, func(keys []uint64) hotel.Command {
		return &hotel.ForgetWaiter{Hotel: w.HotelID, EntryID: w.EntryID, Reservation: w.ReservationID, Keys: keys, Force: f.force}
	})
}

// keysAt appends the keys of all that is sealed in the event at a position. It is an error when the event says who the guest is in clear.
func (f *forgetting) keysAt(ctx context.Context, at log.Position, keys []uint64) ([]uint64, error) {
	e, err := f.envelopeAt(ctx, at)
	if err != nil {
		return keys, err
	}
	if of, ok := e.Message.(interface{ GetGuest() *eventpb.Guest }); ok && (of.GetGuest().GetDisplayName() != "" || of.GetGuest().GetEmail() != "") {
		return keys, domain.Errorf(domain.GuestNotSealed, "name", "the event at %s is from before persons were sealed: the log says who the guest is, and forgets nothing", at)
	}
	for _, s := range hotel.SealsOf(e) {
		if !slices.Contains(keys, s.Key) {
			keys = append(keys, s.Key)
		}
	}
	return keys, nil
}

// forget gives the command, unless there is nothing left to forget. A booking that names nobody, such as a rejection, still leaves its account.
func (f *forgetting) forget(ctx context.Context, keys []uint64, guestID string, requestID uuid.UUID, command func([]uint64) hotel.Command) error {
	known := false
	for _, key := range keys {
		erased, err := f.deps.Persons.Erased(persons.KeyID(key))
		if err != nil {
			return err
		}
		known = known || !erased
	}
	if !known && guestID == "" {
		return nil
	}
	c := f.call
	c.requestID = requestID
	result, err := f.do(ctx, c, command(keys))
	if err == nil && !result.Replayed {
		f.answer.ForgottenCount++
	}
	return err
}

// look asks the read model, and once more when it has seen all that the log has now: what was made a moment ago must not seem to be somebody else's, or not there.
func (a *API) look(ctx context.Context, hotelID string, missing domain.Reason, get func() error) error {
	err := get()
	if domain.ReasonOf(err) != missing {
		return err
	}
	if err := a.caughtUp(ctx, a.deps.Store.PartitionFor(hotelID)); err != nil {
		return err
	}
	return get()
}

// caughtUp waits until the read models have all bookings and payments that a partition has now.
func (a *API) caughtUp(ctx context.Context, n log.Partition) error {
	for _, of := range [...]struct {
		topic      log.Topic
		projection string
	}{{event.BookingsTopic, reservations.Name}, {event.PaymentsTopic, payments.Name}} {
		at := log.Position{Topic: of.topic, Partition: n}
		_, end, err := a.deps.Log.Offsets(ctx, at.TopicPartition())
		if err != nil {
			return err
		}
		if end == 0 {
			continue
		}
		at.Offset = end - 1
		if err := a.fresh(ctx, of.projection, at.String()); err != nil {
			return err
		}
	}
	return nil
}

// allCaughtUp is caughtUp for all partitions.
func (a *API) allCaughtUp(ctx context.Context) error {
	for n := range a.deps.Store.Partitions() {
		if err := a.caughtUp(ctx, log.Partition(n)); err != nil {
			return err
		}
	}
	return nil
}
