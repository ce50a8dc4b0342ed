package hotel

import (
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
)

func (s *State) createHotel(c *CreateHotel) ([]proto.Message, error) {
	if err := domain.ValidateID(c.Hotel, "hotel_id"); err != nil {
		return nil, err
	}
	if s.hotel != nil {
		return nil, domain.Errorf(domain.HotelExists, "hotel_id", "hotel %s exists already", s.id)
	}
	if err := domain.ValidateCurrency(c.CurrencyCode, "currency_code"); err != nil {
		return nil, err
	}
	hotel := &eventpb.Hotel{HotelId: c.Hotel, CurrencyCode: c.CurrencyCode, Version: 1}
	err := applyHotel(hotel, &UpdateHotel{
		DisplayName: &c.DisplayName, Description: &c.Description, Address: &c.Address,
		TimeZone: &c.TimeZone, HoldDuration: &c.HoldDuration, Taxes: &c.Taxes,
		HorizonDays: &c.HorizonDays,
	})
	if err != nil {
		return nil, err
	}
	return one(&eventpb.HotelCreated{Hotel: hotel}), nil
}

func (s *State) updateHotel(c *UpdateHotel) ([]proto.Message, error) {
	hotel, err := s.nextHotel(c.Hotel, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	if err := applyHotel(hotel, c); err != nil {
		return nil, err
	}
	return one(&eventpb.HotelUpdated{Hotel: hotel}), nil
}

func (s *State) archiveHotel(c *ArchiveHotel) ([]proto.Message, error) {
	hotel, err := s.nextHotel(c.Hotel, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	hotel.Archived = true
	return one(&eventpb.HotelArchived{Hotel: hotel}), nil
}

// nextHotel returns a copy of the hotel in its next version, ready to be changed.
func (s *State) nextHotel(hotelID string, expected int64) (*eventpb.Hotel, error) {
	if err := s.open(hotelID); err != nil {
		return nil, err
	}
	if err := checkVersion(expected, s.hotel.Version); err != nil {
		return nil, err
	}
	hotel := proto.CloneOf(s.hotel)
	hotel.Version++
	return hotel, nil
}

// applyHotel checks what is set in c and writes it into hotel.
func applyHotel(hotel *eventpb.Hotel, c *UpdateHotel) error {
	if c.DisplayName != nil {
		if err := checkName(*c.DisplayName); err != nil {
			return err
		}
		hotel.DisplayName = *c.DisplayName
	}
	if c.Description != nil {
		if err := checkText("description", *c.Description, DescriptionMax); err != nil {
			return err
		}
		hotel.Description = *c.Description
	}
	if c.Address != nil {
		if err := c.Address.check(); err != nil {
			return err
		}
		hotel.Address = addressMessage(c.Address)
	}
	if c.TimeZone != nil {
		if _, err := domain.LoadTimeZone(*c.TimeZone); err != nil {
			return err
		}
		hotel.TimeZone = *c.TimeZone
	}
	if c.HoldDuration != nil {
		hold, err := checkHold(*c.HoldDuration)
		if err != nil {
			return err
		}
		hotel.HoldSeconds = int64(hold / time.Second)
	}
	if c.Taxes != nil {
		taxes, err := taxMessages(*c.Taxes, hotel.CurrencyCode)
		if err != nil {
			return err
		}
		hotel.Taxes = taxes
	}
	if c.HorizonDays != nil {
		if err := checkHorizon(*c.HorizonDays); err != nil {
			return err
		}
		hotel.HorizonDays = *c.HorizonDays
	}
	return nil
}

func addressMessage(a *Address) *eventpb.Address {
	if *a == (Address{}) {
		return nil
	}
	return &eventpb.Address{
		Street: a.Street, City: a.City, PostalCode: a.PostalCode, CountryCode: a.CountryCode,
		Latitude: a.Latitude, Longitude: a.Longitude,
	}
}
