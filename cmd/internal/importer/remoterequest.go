package importer

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// bookingEnds returns the end of every partition of the bookings.
func bookingEnds(ctx context.Context, admin lodgev1connect.AdminServiceClient) (map[log.TopicPartition]log.Offset, error) {
	ends := map[log.TopicPartition]log.Offset{}
	res, err := admin.ListPartitions(ctx, connect.NewRequest(&lodgev1.ListPartitionsRequest{
		Parent: "topics/" + event.BookingsTopic, PageSize: 1000,
	}))
	if err != nil {
		return nil, fmt.Errorf("list the partitions of %s: %w", event.BookingsTopic, err)
	}
	for _, p := range res.Msg.GetPartitions() {
		ends[log.TopicPartition{Topic: event.BookingsTopic, Partition: log.Partition(p.GetPartition())}] = log.Offset(p.GetLogEndOffset())
	}
	return ends, nil
}

func createHotelRequest(b *hotel.CreateHotel, id string) *lodgev1.CreateHotelRequest {
	return &lodgev1.CreateHotelRequest{HotelId: b.Hotel, RequestId: id, Hotel: &lodgev1.Hotel{
		DisplayName: b.DisplayName, Description: b.Description, TimeZone: b.TimeZone, CurrencyCode: b.CurrencyCode,
		Address: &lodgev1.Address{City: b.Address.City, CountryCode: b.Address.CountryCode},
	}}
}

func createRoomTypeRequest(b *hotel.CreateRoomType, id string) *lodgev1.CreateRoomTypeRequest {
	return &lodgev1.CreateRoomTypeRequest{Parent: hotelName(b.Hotel), RoomTypeId: b.RoomType, RequestId: id, RoomType: &lodgev1.RoomType{
		DisplayName: b.DisplayName, BaseRate: toMoney(b.BaseRate),
	}}
}

func setInventoryRequest(b *hotel.SetInventory, id string) *lodgev1.SetInventoryRequest {
	return &lodgev1.SetInventoryRequest{
		RoomType: roomTypeName(b.Hotel, b.RoomType), StartDate: toDate(b.Start), EndDate: toDate(b.End),
		PhysicalCount: b.PhysicalCount, RequestId: id,
	}
}

func createRatePlanRequest(b *hotel.CreateRatePlan, id string) *lodgev1.CreateRatePlanRequest {
	return &lodgev1.CreateRatePlanRequest{Parent: hotelName(b.Hotel), RatePlanId: b.RatePlan, RequestId: id, RatePlan: &lodgev1.RatePlan{
		DisplayName: b.Terms.DisplayName, Description: b.Terms.Description, Cancellation: toTerms(b.Terms.Cancellation),
	}}
}

// toTerms returns the API's form of terms whose fees are in per cent.
func toTerms(t *eventpb.CancellationTerms) *lodgev1.CancellationTerms {
	if t == nil {
		return nil
	}
	percent := func(f *eventpb.CancellationFee) *lodgev1.CancellationFee {
		return &lodgev1.CancellationFee{Fee: &lodgev1.CancellationFee_PercentThousandths{PercentThousandths: int32(f.GetAmount())}}
	}
	return &lodgev1.CancellationTerms{NeverFree: t.GetNeverFree(), Fee: percent(t.GetFee()), NoShowFee: percent(t.GetNoShowFee())}
}

func createRoomRequest(b *hotel.CreateRoom, id string) *lodgev1.CreateRoomRequest {
	return &lodgev1.CreateRoomRequest{Parent: hotelName(b.Hotel), RoomId: b.Room, RequestId: id, Room: &lodgev1.Room{
		RoomType: roomTypeName(b.Hotel, b.RoomType), DisplayName: b.DisplayName,
	}}
}

func updateReservationRequest(b *hotel.ModifyReservation, id string) *lodgev1.UpdateReservationRequest {
	return &lodgev1.UpdateReservationRequest{
		Reservation: &lodgev1.Reservation{Name: reservationName(b.Hotel, b.ReservationID), Guest: toGuest(b.Guest)},
		UpdateMask:  &fieldmaskpb.FieldMask{Paths: []string{"guest"}}, RequestId: id,
	}
}

func toGuest(g *hotel.Guest) *lodgev1.Guest {
	return &lodgev1.Guest{DisplayName: g.DisplayName, Adults: g.Adults, Children: g.Children, Infants: g.Infants}
}

func checkInRequest(b *hotel.CheckIn, id string) *lodgev1.CheckInReservationRequest {
	req := &lodgev1.CheckInReservationRequest{Name: reservationName(b.Hotel, b.ReservationID), RequestId: id}
	for _, room := range b.Rooms {
		req.Rooms = append(req.Rooms, hotelName(b.Hotel)+"/rooms/"+room)
	}
	return req
}

func checkOutRequest(b *hotel.CheckOut, id string) *lodgev1.CheckOutReservationRequest {
	return &lodgev1.CheckOutReservationRequest{Name: reservationName(b.Hotel, b.ReservationID), RequestId: id}
}

func createReservationRequest(b *hotel.PlaceReservation, id string) *lodgev1.CreateReservationRequest {
	plan := ""
	if b.RatePlan != "" {
		plan = hotelName(b.Hotel) + "/ratePlans/" + b.RatePlan
	}
	return &lodgev1.CreateReservationRequest{
		Parent: hotelName(b.Hotel), ReservationId: b.ReservationID, RequestId: id,
		NightlyRateOverride: toMoney(b.NightlyRate), NoHoldExpiry: b.NoHoldExpiry,
		Reservation: &lodgev1.Reservation{
			RoomType: roomTypeName(b.Hotel, b.RoomType), Quantity: b.Quantity,
			CheckInDate: toDate(b.Stay.CheckIn), CheckOutDate: toDate(b.Stay.CheckOut),
			RatePlan: plan, Guest: toGuest(&b.Guest),
			Channel: b.Channel, ExternalReference: b.ExternalReference,
		},
	}
}

func confirmRequest(b *hotel.ConfirmReservation, id string) *lodgev1.ConfirmReservationRequest {
	return &lodgev1.ConfirmReservationRequest{Name: reservationName(b.Hotel, b.ReservationID), RequestId: id}
}

func cancelRequest(b *hotel.CancelReservation, id string) *lodgev1.CancelReservationRequest {
	return &lodgev1.CancelReservationRequest{
		Name: reservationName(b.Hotel, b.ReservationID), Reason: lodgev1.ReservationReason(b.Reason), RequestId: id,
	}
}

func noShowRequest(b *hotel.MarkNoShow, id string) *lodgev1.MarkNoShowRequest {
	return &lodgev1.MarkNoShowRequest{Name: reservationName(b.Hotel, b.ReservationID), RequestId: id}
}

func hotelName(id string) string              { return "hotels/" + id }
func roomTypeName(hotel, id string) string    { return hotelName(hotel) + "/roomTypes/" + id }
func reservationName(hotel, id string) string { return hotelName(hotel) + "/reservations/" + id }

func toDate(d domain.Date) *date.Date {
	year, month, day := d.Time(time.UTC).Date()
	return &date.Date{Year: int32(year), Month: int32(month), Day: int32(day)}
}

// toMoney returns the API's form of an amount; nil stays nil.
func toMoney(m *domain.Money) *money.Money {
	if m == nil {
		return nil
	}
	per := domain.MinorPerUnit(m.Currency)
	return &money.Money{CurrencyCode: m.Currency, Units: m.MinorUnits / per, Nanos: int32(m.MinorUnits % per * (1_000_000_000 / per))}
}
