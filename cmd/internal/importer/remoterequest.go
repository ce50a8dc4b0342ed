package importer

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain"
	"lodge/domain/event"
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

func createReservationRequest(b *hotel.PlaceReservation, id string) *lodgev1.CreateReservationRequest {
	return &lodgev1.CreateReservationRequest{
		Parent: hotelName(b.Hotel), ReservationId: b.ReservationID, RequestId: id,
		NightlyRateOverride: toMoney(b.NightlyRate), NoHoldExpiry: b.NoHoldExpiry,
		Reservation: &lodgev1.Reservation{
			RoomType: roomTypeName(b.Hotel, b.RoomType), Quantity: b.Quantity,
			CheckInDate: toDate(b.Stay.CheckIn), CheckOutDate: toDate(b.Stay.CheckOut),
			Guest: &lodgev1.Guest{
				DisplayName: b.Guest.DisplayName, Adults: b.Guest.Adults, Children: b.Guest.Children, Infants: b.Guest.Infants,
			},
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

// toMoney returns the API's form of an amount in cents; nil stays nil.
func toMoney(m *domain.Money) *money.Money {
	if m == nil {
		return nil
	}
	return &money.Money{CurrencyCode: m.Currency, Units: m.MinorUnits / 100, Nanos: int32(m.MinorUnits%100) * 10_000_000}
}
