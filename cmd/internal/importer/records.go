package importer

import (
	"context"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain"
	"lodge/domain/hotel"
)

// Records asks a platform's read models what has happened already. They know what the processors have forgotten: request ids of
// long ago, and reservations and nights of closed books.
type Records struct {
	inventory    lodgev1connect.InventoryServiceClient
	reservations lodgev1connect.ReservationServiceClient
}

// NewRecords asks the server that client and url lead to.
func NewRecords(client *http.Client, url string) *Records {
	return &Records{
		inventory:    lodgev1connect.NewInventoryServiceClient(client, url),
		reservations: lodgev1connect.NewReservationServiceClient(client, url),
	}
}

// Recorded implements Commander.
func (r *Records) Recorded(ctx context.Context, body hotel.Command) (Outcome, bool, error) {
	out := Outcome{Events: 1, Replayed: true}
	switch b := body.(type) {
	case *hotel.PlaceReservation:
		found, err := r.reservation(ctx, b.Hotel, b.ReservationID)
		out.Rejected = found.GetStatus() == lodgev1.ReservationStatus_RESERVATION_STATUS_REJECTED
		return out, found != nil, err
	case *hotel.ConfirmReservation:
		found, err := r.reservation(ctx, b.Hotel, b.ReservationID)
		return out, found.GetStatus() == lodgev1.ReservationStatus_RESERVATION_STATUS_PAID || found.GetStatus() == lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED, err
	case *hotel.CheckIn:
		found, err := r.reservation(ctx, b.Hotel, b.ReservationID)
		return out, found.GetStayStatus() != lodgev1.StayStatus_STAY_STATUS_UNSPECIFIED, err
	case *hotel.CheckOut:
		found, err := r.reservation(ctx, b.Hotel, b.ReservationID)
		return out, found.GetStayStatus() == lodgev1.StayStatus_STAY_STATUS_CHECKED_OUT, err
	case *hotel.ModifyReservation:
		found, err := r.reservation(ctx, b.Hotel, b.ReservationID)
		return out, found != nil && found.GetStatus() != lodgev1.ReservationStatus_RESERVATION_STATUS_REJECTED, err
	case *hotel.CancelReservation:
		found, err := r.reservation(ctx, b.Hotel, b.ReservationID)
		return out, found.GetStatus() == lodgev1.ReservationStatus_RESERVATION_STATUS_CANCELED, err
	case *hotel.MarkNoShow:
		found, err := r.reservation(ctx, b.Hotel, b.ReservationID)
		return out, found.GetReason() == lodgev1.ReservationReason_RESERVATION_REASON_NO_SHOW, err
	case *hotel.SetInventory:
		is, err := r.hasRooms(ctx, b)
		return out, is, err
	}
	return Outcome{}, false, nil
}

// reservation returns nil for one that was never placed.
func (r *Records) reservation(ctx context.Context, hotelID, id string) (*lodgev1.Reservation, error) {
	res, err := r.reservations.GetReservation(ctx, connect.NewRequest(&lodgev1.GetReservationRequest{Name: reservationName(hotelID, id)}))
	if domain.Reason(infoOf(err).GetReason()) == domain.ReservationNotFound {
		return nil, nil //nolint:nilnil // a nil message is one without values
	}
	if err != nil {
		return nil, fmt.Errorf("look for reservation %s: %w", id, err)
	}
	return res.Msg, nil
}

// hasRooms reports whether every night has the rooms that the command would give it.
func (r *Records) hasRooms(ctx context.Context, b *hotel.SetInventory) (bool, error) {
	req := &lodgev1.ListInventoryRequest{
		Parent: roomTypeName(b.Hotel, b.RoomType), StartDate: toDate(b.Start), EndDate: toDate(b.End), PageSize: inventoryNights,
	}
	for {
		res, err := r.inventory.ListInventory(ctx, connect.NewRequest(req))
		if err != nil {
			return false, fmt.Errorf("look at the rooms of %s: %w", req.GetParent(), err)
		}
		for _, night := range res.Msg.GetNights() {
			if b.PhysicalCount == nil || night.GetPhysicalCount() != *b.PhysicalCount {
				return false, nil
			}
		}
		if req.PageToken = res.Msg.GetNextPageToken(); req.PageToken == "" {
			return true, nil
		}
	}
}
