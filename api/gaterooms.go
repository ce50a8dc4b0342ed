package api

import (
	"context"

	"google.golang.org/protobuf/proto"

	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
)

// countRooms counts the rooms that guests ask for by themselves: those of an address, whether or not its callers say who they are, and those of an account, wherever it is used from. A hold costs nothing, and an
// account hardly more: without a limit anybody could keep a hotel full. Who shows a token was given it by the platform's admins, and is not counted.
func (g *gate) countRooms(ctx context.Context, c *caller, msg proto.Message) error {
	if g.rooms == nil || c.local || c.token != nil && (c.account == "" || c.token.Role != access.Guest) {
		return nil
	}
	rooms := roomsAsked(msg)
	if rooms == 0 {
		return nil
	}
	if c.account != "" {
		if err := g.takeRooms(c.token.Actor(), rooms, "in your account"); err != nil {
			return err
		}
	}
	if g.maybeProxy(ctx, c) {
		return nil
	}
	return g.takeRooms(access.ClientOf(c.addr), rooms, "from your address")
}

func (g *gate) takeRooms(of string, rooms int, where string) error {
	if wait, ok := g.rooms.AllowN(of, rooms, g.api.opts.Clock()); !ok {
		return limited("too many rooms are reserved "+where, wait)
	}
	return nil
}

// maybeProxy reports whether an address may be a proxy's, and all of its callers one address: one that is not of the Internet, where no proxy is known.
func (g *gate) maybeProxy(ctx context.Context, c *caller) bool {
	if len(g.api.proxies) > 0 || !inside(c.addr) {
		return false
	}
	if c.header[headerForwardedFor] != nil {
		g.hint.Do(func() {
			g.api.opts.Logger.WarnContext(ctx, "a proxy passes on which guests book, and they are not limited by address: name it as a trusted proxy", "proxy", access.ClientOf(c.addr))
		})
	}
	return true
}

// inside reports whether an address is this machine's, or one of a network that is not the Internet: that of a proxy, for all that is known.
func inside(addr string) bool {
	ip, ok := access.IPOf(addr)
	return ok && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast())
}

// roomsAsked returns how many rooms a message asks for. A change that names no number of rooms keeps as many as there were.
func roomsAsked(msg proto.Message) (rooms int) {
	switch m := msg.(type) {
	case *lodgev1.CreateReservationRequest:
		rooms = max(int(m.GetReservation().GetQuantity()), 1)
	case *lodgev1.BatchCreateReservationsRequest:
		for _, r := range m.GetRequests() {
			rooms += roomsAsked(r)
		}
	case *lodgev1.UpdateReservationRequest:
		rooms = max(int(m.GetReservation().GetQuantity()), 0)
	case *lodgev1.JoinWaitingListRequest: // which holds them when they are free
		rooms = max(int(m.GetEntry().GetQuantity()), 1)
	}
	return rooms
}
