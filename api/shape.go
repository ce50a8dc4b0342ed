package api

import (
	"google.golang.org/protobuf/proto"

	lodgev1 "lodge/api/gen/lodge/v1"
)

// plainShape reports whether a message of the hottest call obviously follows the shape rules of its proto, which saves
// interpreting them. false says nothing: then the rules decide, and word the error. A test holds the two together.
func plainShape(message proto.Message) bool {
	req, ok := message.(*lodgev1.CreateReservationRequest)
	if !ok {
		return false
	}
	r := req.GetReservation()
	return req.GetParent() != "" && r.GetRoomType() != "" && r.GetCheckInDate() != nil && r.GetCheckOutDate() != nil && plainGuest(r.GetGuest())
}

func plainGuest(g *lodgev1.Guest) bool {
	return g.GetAdults() >= 0 && g.GetChildren() >= 0 && g.GetInfants() >= 0
}
