package hotels

import (
	"time"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/domain/hotel"
	"lodge/log"
)

// Hotel is a hotel as it is now.
type Hotel struct {
	HotelID     string
	DisplayName string
	Description string
	Address     Address
	TimeZone    string // IANA name
	Currency    string // ISO 4217
	HoldTime    time.Duration
	Version     int64 // counts the changes, from 1: the etag
	Archived    bool
	CreateTime  time.Time
	UpdateTime  time.Time
	Offset      log.Offset // of the event that made it so, in topic hotels
	Taxes       []*eventpb.Tax
	HorizonDays int // nights from today that are kept open by the room types' defaults; 0: none
}

// Address is where a hotel is.
type Address struct {
	Street, City, PostalCode, CountryCode string
	Latitude, Longitude                   float64
}

// RoomType is a room type as it is now.
type RoomType struct {
	HotelID     string
	RoomTypeID  string
	DisplayName string
	Description string
	MaxGuests   int
	BaseRate    *domain.Money // nil: none
	Defaults    hotel.RoomTypeDefaults
	Version     int64
	Archived    bool
	CreateTime  time.Time
	UpdateTime  time.Time
	Offset      log.Offset
}

func hotelOf(h *eventpb.Hotel) Hotel {
	a := h.GetAddress()
	return Hotel{
		HotelID: h.GetHotelId(), DisplayName: h.GetDisplayName(), Description: h.GetDescription(),
		Address: Address{Street: a.GetStreet(), City: a.GetCity(), PostalCode: a.GetPostalCode(), CountryCode: a.GetCountryCode(),
			Latitude: a.GetLatitude(), Longitude: a.GetLongitude()},
		TimeZone: h.GetTimeZone(), Currency: h.GetCurrencyCode(), HoldTime: time.Duration(h.GetHoldSeconds()) * time.Second,
		Version: h.GetVersion(), Archived: h.GetArchived(), Taxes: h.GetTaxes(),
		HorizonDays: int(h.GetHorizonDays()),
	}
}

func roomTypeOf(r *eventpb.RoomType) RoomType {
	out := RoomType{
		HotelID: r.GetHotelId(), RoomTypeID: r.GetRoomTypeId(), DisplayName: r.GetDisplayName(), Description: r.GetDescription(),
		MaxGuests: int(r.GetMaxGuests()), Version: r.GetVersion(), Archived: r.GetArchived(),
		Defaults: hotel.RoomTypeDefaults{PhysicalCount: r.DefaultPhysicalCount,
			OverbookingLimit: r.GetDefaultOverbookingLimit(), OverbookingPercent: r.GetDefaultOverbookingPercent()},
	}
	if m := r.GetBaseRate(); m != nil {
		out.BaseRate = &domain.Money{Currency: m.GetCurrencyCode(), MinorUnits: m.GetMinorUnits()}
	}
	return out
}
