package api

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/openid"
	"lodge/domain"
	"lodge/log"
	"lodge/projections/reservations"
)

// HeaderGuestEmail shows that the caller knows the e-mail address of a reservation's guest: with the reservation's id it is as good as the guest's token, for that
// reservation.
const HeaderGuestEmail = "Lodge-Guest-Email"

// gate lets calls in: it knows who calls, what they may, and how often. A nil gate lets everybody in, at no cost.
type gate struct {
	api      *API
	tokens   *access.Store
	accounts *access.Accounts // nil: nobody signs in
	openid   *openid.Provider // nil: no other's word is taken for who somebody is
	origins  http.CrossOriginProtection
	required bool            // callers are asked who they are
	limiter  *access.Limiter // nil: calls are not counted
	rooms    *access.Limiter // that guests reserve by themselves; nil: they are not counted
	hint     sync.Once       // that a proxy is not known
}

func (a *API) newGate() *gate {
	g := &gate{api: a, tokens: a.deps.Access, accounts: a.deps.Accounts, openid: a.deps.OpenID, required: a.opts.AuthRequired}
	if a.opts.PublicURL != "" { // a proxy may ask by another name
		_ = g.origins.AddTrustedOrigin(a.opts.PublicURL) // it is an origin: Validate has seen it
	}
	if a.opts.RateLimit > 0 {
		g.limiter = access.NewLimiter(a.opts.RateLimit, a.opts.RateBurst)
	}
	if a.opts.AuthRequired && a.opts.GuestLimit > 0 {
		g.rooms = access.NewLimiter(a.opts.GuestLimit, a.opts.GuestBurst)
	}
	if !g.required && g.limiter == nil {
		return nil
	}
	return g
}

// localActor is who acts over the socket without a token: somebody whom the system lets use it.
const localActor = "local:socket"

// anonymousActor is who shows no token where one is asked for.
const anonymousActor = "anonymous:"

// actor returns who gives a command, for its events; empty: nobody is asked.
func actor(ctx context.Context) string {
	c := callerOf(ctx)
	switch {
	case c == nil:
		return ""
	case c.token != nil:
		return c.token.Actor()
	case c.local:
		return localActor
	}
	return anonymousActor
}

// enter lets a call in, or not. The context knows the caller.
func (g *gate) enter(ctx context.Context, procedure string, header http.Header, addr string, msg proto.Message) (context.Context, error) {
	c, err := g.identify(ctx, header, addr)
	if err != nil || !g.required {
		return ctx, err
	}
	if err := g.authorize(ctx, c, procedure, msg); err != nil {
		return ctx, err
	}
	return context.WithValue(ctx, callerKey{}, c), nil
}

// identify says who calls, and counts the call. Who shows a token that is none is counted by address, so that guessing is limited too.
func (g *gate) identify(ctx context.Context, header http.Header, addr string) (*caller, error) {
	c := &caller{local: local(ctx), header: header, addr: addr}
	err := g.meet(ctx, c)
	if g.limiter != nil && !c.local {
		name := access.ClientOf(addr)
		if c.token != nil {
			name = c.token.Actor()
		}
		if err := g.count(name); err != nil {
			return nil, err
		}
	}
	if err != nil && g.required {
		return nil, err
	}
	return c, nil
}

// count counts a call of a client.
func (g *gate) count(name string) error {
	if g.limiter == nil {
		return nil
	}
	if wait, ok := g.limiter.Allow(name, g.api.opts.Clock()); !ok {
		return limited("too many calls", wait)
	}
	return nil
}

// limited answers who calls too often.
func limited(text string, wait time.Duration) *connect.Error {
	e := newError(connect.CodeResourceExhausted, ReasonRateLimited, text+"; try again in "+wait.Round(time.Millisecond).String(), nil)
	attach(e, &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	return e
}

// challenge adds to a refusal over HTTP the headers that belong to its status. gRPC has trailers, where they may not be.
func challenge(err error) {
	var e *connect.Error
	if !errors.As(err, &e) {
		return
	}
	if e.Code() == connect.CodeUnauthenticated {
		e.Meta().Set("WWW-Authenticate", "Bearer")
		return
	}
	if e.Code() != connect.CodeResourceExhausted {
		return
	}
	for _, d := range e.Details() {
		if m, err := d.Value(); err == nil {
			if retry, ok := m.(*errdetails.RetryInfo); ok {
				wait := retry.GetRetryDelay().AsDuration()
				e.Meta().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
			}
		}
	}
}

// authorize refuses what the table of rules does not allow.
func (g *gate) authorize(ctx context.Context, c *caller, procedure string, msg proto.Message) error {
	if c.local && c.token == nil || c.token != nil && c.token.Role == access.Admin {
		return nil
	}
	r, ok := rules[procedure]
	if !ok {
		return denied(ReasonRoleDenied, "this call is for platform admins")
	}
	if c.token == nil {
		if r.anonymous == nil {
			return c.unknown("this call needs a token or a session in the header Authorization")
		}
		if err := r.anonymous(ctx, g, c, msg); err != nil {
			return err
		}
		return g.countRooms(ctx, c, msg)
	}
	check := r.of(c.token.Role)
	if check == nil {
		return denied(ReasonRoleDenied, "this call is not for the role "+string(c.token.Role))
	}
	if err := check(ctx, g, c, msg); err != nil {
		return err
	}
	return g.countRooms(ctx, c, msg)
}

func denied(reason domain.Reason, text string) error { return domain.Errorf(reason, "", "%s", text) }

// everything lets in whoever has the role.
func everything(context.Context, *gate, *caller, proto.Message) error { return nil }

// notTheirs lets in where no topic of the log's own is read: they hold what is for admins.
func notTheirs(_ context.Context, _ *gate, _ *caller, msg proto.Message) error {
	var topics []string
	switch m := msg.(type) {
	case interface{ GetTopic() string }:
		topics = []string{m.GetTopic()}
	case interface{ GetTopics() []string }:
		topics = m.GetTopics()
	}
	for _, topic := range topics {
		if log.Topic(strings.TrimPrefix(topic, topicsPrefix)).Internal() {
			return denied(ReasonTopicDenied, "topics of the log itself are for platform admins")
		}
	}
	return nil
}

// inTheirHotels lets staff in to what belongs to one of their hotels.
func inTheirHotels(_ context.Context, _ *gate, c *caller, msg proto.Message) error {
	if !c.token.WorksIn(hotelOf(msg)) {
		return denied(ReasonHotelDenied, "this token is not for the hotel")
	}
	return nil
}

// eventsOfTheirHotels lets staff in to the events of hotels that they name, all theirs.
func eventsOfTheirHotels(_ context.Context, _ *gate, c *caller, msg proto.Message) error {
	m, ok := msg.(interface {
		GetTopic() string
		GetKeys() []string
	})
	if !ok || !platformTopic(log.Topic(m.GetTopic())) || !allTheirs(c.token, m.GetKeys()) {
		return denied(ReasonHotelDenied, "name the hotels whose events you want, in keys: this token is for some hotels and for topics of the platform only")
	}
	return nil
}

// hotelsTheyName lets staff in to what is of several hotels when they name them, all theirs.
func hotelsTheyName(_ context.Context, _ *gate, c *caller, msg proto.Message) error {
	var ids []string
	if m, ok := msg.(interface{ GetHotels() []string }); ok {
		for _, name := range m.GetHotels() {
			id, err := parseHotel(name, "hotels")
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
	}
	if !allTheirs(c.token, ids) {
		return denied(ReasonHotelDenied, "name the hotels that you want it of: this token is for some hotels only")
	}
	return nil
}

func allTheirs(t *access.Token, hotels []string) bool {
	return len(hotels) > 0 && !slices.ContainsFunc(hotels, func(id string) bool { return !t.WorksIn(id) })
}

// letterOfTheirHotels lets staff in to a letter of one of their hotels. That of another, or of none, looks like one that is not there.
func letterOfTheirHotels(_ context.Context, g *gate, c *caller, msg proto.Message) error {
	id, err := parseLetter(resourceOf(msg))
	if err != nil || g.api.deps.Processes == nil { // the call itself says so
		return err
	}
	if of, err := g.api.deps.Processes.LetterHotel(id); err != nil || !c.token.WorksIn(of) {
		return noLetter(id)
	}
	return nil
}

// theirReservation lets a guest in to a reservation of theirs, and whoever knows its guest's e-mail address. Reservations of others and those that there are not look
// the same.
func theirReservation(ctx context.Context, g *gate, c *caller, msg proto.Message) error {
	if err := c.guestly(msg); err != nil {
		return err
	}
	id, ok := childOf(msg, reservationsInfix)
	if !ok {
		return denied(ReasonNotYours, notYours)
	}
	var found reservations.Reservation
	err := g.api.look(ctx, hotelOf(msg), domain.ReservationNotFound, func() (err error) {
		found, err = g.api.reservations.Get(ctx, hotelOf(msg), id)
		return err
	})
	if err != nil {
		return unlessMissing(err)
	}
	if err := g.theirs(c, &found); err != nil {
		return err
	}
	return bind(msg, found.Guest.GuestID)
}

// theirGroup lets a guest in to a group of reservations that are theirs without exception, by account or by e-mail address. One that somebody else's reservation
// belongs to is the hotel's to pay and cancel as a whole.
func theirGroup(ctx context.Context, g *gate, c *caller, msg proto.Message) error {
	if err := c.guestly(msg); err != nil {
		return err
	}
	of, ok := msg.(interface{ GetGroupId() string })
	if !ok {
		return denied(ReasonNotYours, notYours)
	}
	_, members, err := g.api.groupOf(ctx, resourceOf(msg), of.GetGroupId())
	if err != nil {
		return unlessMissing(err)
	}
	for i := range members {
		if err := g.theirs(c, &members[i]); err != nil {
			return err
		}
	}
	return nil
}

// theirList lets a guest in to the list of their account, or of a group of theirs.
func theirList(ctx context.Context, g *gate, c *caller, msg proto.Message) error {
	if m, ok := msg.(*lodgev1.ListReservationsRequest); ok && m.GetGroupId() != "" && m.GetGuestId() == "" {
		return theirGroup(ctx, g, c, msg)
	}
	if c.token == nil {
		return c.unknown("this call needs a token or a session in the header Authorization")
	}
	return theirAccount(ctx, g, c, msg)
}

// guestly refuses who does not say which guest they are, and what is for the hotel.
func (c *caller) guestly(msg proto.Message) error {
	if c.token == nil && c.header.Get(HeaderGuestEmail) == "" {
		return c.unknown("this call needs a token or a session in the header Authorization, or the e-mail address of the reservation's guest in %s", HeaderGuestEmail)
	}
	if field := hotelsField(msg); field != "" {
		return forTheHotel(field)
	}
	return nil
}

// unlessMissing makes what there is not look like what is somebody else's.
func unlessMissing(err error) error {
	if domain.ReasonOf(err) == domain.ReservationNotFound {
		return denied(ReasonNotYours, notYours)
	}
	return err
}

// theirs refuses who neither has the reservation in their account nor knows its guest's e-mail address. It opens who the guest is.
func (g *gate) theirs(c *caller, r *reservations.Reservation) error {
	if c.token != nil && r.Guest.GuestID == c.token.GuestID {
		return nil
	}
	if email := c.header.Get(HeaderGuestEmail); email != "" {
		if err := g.api.openGuest(&r.Guest); err != nil {
			return err
		}
		if sameEmail(r.Guest.Email, email) {
			return nil
		}
	}
	return denied(ReasonNotYours, notYours)
}

func forTheHotel(field string) error {
	return domain.Errorf(ReasonForbiddenField, field, "the field %s is for the hotel", field)
}

const notYours = "this is not yours, or there is no such thing"

func sameEmail(a, b string) bool {
	a, b = strings.ToLower(strings.TrimSpace(a)), strings.ToLower(strings.TrimSpace(b))
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// theirEntry lets a guest in to their entry of a waiting list.
func theirEntry(ctx context.Context, g *gate, c *caller, msg proto.Message) error {
	if field := hotelsField(msg); field != "" {
		return forTheHotel(field)
	}
	id, ok := childOf(msg, waitingListInfix)
	if !ok {
		return denied(ReasonNotYours, notYours)
	}
	var found reservations.Waiter
	err := g.api.look(ctx, hotelOf(msg), domain.WaiterNotFound, func() (err error) {
		found, err = g.api.reservations.GetWaiter(ctx, hotelOf(msg), id)
		return err
	})
	if err != nil && domain.ReasonOf(err) != domain.WaiterNotFound {
		return err
	}
	if err != nil || found.Guest.GuestID != c.token.GuestID {
		return denied(ReasonNotYours, notYours)
	}
	return nil
}

// while does something that lasts, and ends it when the caller's token ends.
func (g *gate) while(ctx context.Context, c *caller, do func(context.Context) error) error {
	if c.token == nil {
		return do(ctx)
	}
	ctx, stop := g.tokens.While(ctx, c.token.Until(c.until))
	defer stop()
	err := do(ctx)
	if ended := (*domain.Error)(nil); errors.As(context.Cause(ctx), &ended) {
		return ended
	}
	return err
}
