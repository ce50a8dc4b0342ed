package api

import (
	"context"
	"net"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain"
)

type localKey struct{}

// ConnContext marks the contexts of connections over a Unix socket, whose file permissions say who may connect: for http.Server.ConnContext.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if outer, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = outer.NetConn()
	}
	if _, ok := conn.(*net.UnixConn); ok {
		return context.WithValue(ctx, localKey{}, true)
	}
	return ctx
}

// local reports whether a call came over the local socket.
func local(ctx context.Context) bool { return ctx.Value(localKey{}) != nil }

// checkTrust refuses what only local callers may ask of a reservation: a price of their own, and rooms that are held for ever.
// Every way to CreateReservation leads through here.
func checkTrust(ctx context.Context, req *lodgev1.CreateReservationRequest) error {
	var field string
	switch {
	case req.GetNightlyRateOverride() != nil:
		field = "nightly_rate_override"
	case req.GetNoHoldExpiry():
		field = "no_hold_expiry"
	}
	if field == "" || local(ctx) {
		return nil
	}
	return domain.Errorf(ReasonForbiddenField, field, "the field %s is for the local socket only", field)
}
