package hotel

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"lodge/domain"
)

// canonical is a command written down so that two commands are equal exactly when their bytes are: the command's name,
// then its fields in order, each with its length or presence. Fingerprints are stored with the events, so the form of
// a command never changes; a new field is appended only when it is set.
type canonical struct {
	b       []byte
	scratch [512]byte
}

// fingerprint returns the first half of the SHA-256 of the canonical form.
func fingerprint(command Command) [16]byte {
	var c canonical
	c.b = c.scratch[:0]
	command.appendTo(&c)
	sum := sha256.Sum256(c.b)
	return [16]byte(sum[:16])
}

func (c *canonical) text(values ...string) {
	for _, s := range values {
		c.b = binary.AppendUvarint(c.b, uint64(len(s)))
		c.b = append(c.b, s...)
	}
}

func (c *canonical) number(values ...int64) {
	for _, n := range values {
		c.b = binary.AppendVarint(c.b, n)
	}
}

func (c *canonical) flag(value bool) {
	if value {
		c.b = append(c.b, 1)
	} else {
		c.b = append(c.b, 0)
	}
}

func (c *canonical) optionalFlag(value *bool) {
	if c.flag(value != nil); value != nil {
		c.flag(*value)
	}
}

func (c *canonical) optionalText(s *string) {
	if c.flag(s != nil); s != nil {
		c.text(*s)
	}
}

func (c *canonical) optionalNumber(n *int32) {
	if c.flag(n != nil); n != nil {
		c.number(int64(*n))
	}
}

func (c *canonical) optionalDate(d *domain.Date) {
	if c.flag(d != nil); d != nil {
		c.number(int64(*d))
	}
}

func (c *canonical) optionalDuration(d *time.Duration) {
	if c.flag(d != nil); d != nil {
		c.number(int64(*d))
	}
}

func (c *canonical) money(m *domain.Money) {
	if c.flag(m != nil); m != nil {
		c.text(m.Currency)
		c.number(m.MinorUnits)
	}
}

func (c *canonical) address(a *Address) {
	if c.flag(a != nil); a != nil {
		c.text(a.Street, a.City, a.PostalCode, a.CountryCode)
		c.number(int64(math.Float64bits(a.Latitude)), int64(math.Float64bits(a.Longitude)))
	}
}

func (c *canonical) guest(g *Guest) {
	c.text(g.ID, g.DisplayName, g.Email)
	c.number(int64(g.Adults), int64(g.Children), int64(g.Infants))
}

func (c *canonical) defaults(d *RoomTypeDefaults) {
	if d != nil {
		c.text("defaults")
		c.optionalNumber(d.PhysicalCount)
		c.number(int64(d.OverbookingLimit), int64(d.OverbookingPercent))
	}
}

// expected is the version of a reservation that a command names, if any.
func (c *canonical) expected(version int64) {
	if version != 0 {
		c.text("expected_version")
		c.number(version)
	}
}

func (c *canonical) quote(q *Quote) {
	c.text("quote", q.ID, string(q.Digest[:]))
	c.number(q.ExpireTime.UnixNano(), q.Total)
}

// Fingerprint implements Command.
func (c *CreateHotel) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *UpdateHotel) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *ArchiveHotel) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *CreateRoomType) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *UpdateRoomType) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *ArchiveRoomType) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *SetInventory) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *PlaceReservation) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *ConfirmReservation) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *CancelReservation) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *MarkNoShow) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *ExpireHolds) Fingerprint() [16]byte { return fingerprint(c) }

func (c *CreateHotel) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.DisplayName, c.Description)
	b.address(&c.Address)
	b.text(c.TimeZone, c.CurrencyCode)
	b.number(int64(c.HoldDuration))
	if len(c.Taxes) > 0 {
		b.text("taxes")
		b.taxes(c.Taxes)
	}
	if c.HorizonDays != 0 {
		b.text("horizon_days")
		b.number(int64(c.HorizonDays))
	}
}

func (c *UpdateHotel) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel)
	b.number(c.ExpectedVersion)
	b.optionalText(c.DisplayName)
	b.optionalText(c.Description)
	b.address(c.Address)
	b.optionalText(c.TimeZone)
	b.optionalDuration(c.HoldDuration)
	if c.Taxes != nil {
		b.text("taxes")
		b.taxes(*c.Taxes)
	}
	if c.HorizonDays != nil {
		b.text("horizon_days")
		b.number(int64(*c.HorizonDays))
	}
}

func (c *ArchiveHotel) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel)
	b.number(c.ExpectedVersion)
}

func (c *CreateRoomType) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.RoomType, c.DisplayName, c.Description)
	b.number(int64(c.MaxGuests))
	b.money(c.BaseRate)
	b.defaults(c.Defaults)
}

func (c *UpdateRoomType) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.RoomType)
	b.number(c.ExpectedVersion)
	b.optionalText(c.DisplayName)
	b.optionalText(c.Description)
	b.optionalNumber(c.MaxGuests)
	b.money(c.BaseRate)
	b.defaults(c.Defaults)
}

func (c *ArchiveRoomType) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.RoomType)
	b.number(c.ExpectedVersion)
}

func (c *SetInventory) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.RoomType)
	b.number(int64(c.Start), int64(c.End))
	b.optionalNumber(c.PhysicalCount)
	b.optionalNumber(c.OutOfOrderCount)
	b.optionalNumber(c.OverbookingLimit)
	b.money(c.NightlyRate)
	if c.OverbookingPercent != nil {
		b.text("overbooking_percent")
		b.number(int64(*c.OverbookingPercent))
	}
}

func (c *PlaceReservation) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel)
	if b.flag(c.ClientAssignedID); c.ClientAssignedID {
		b.text(c.ReservationID)
	}
	b.text(c.RoomType)
	b.number(int64(c.Quantity), int64(c.Stay.CheckIn), int64(c.Stay.CheckOut))
	b.guest(&c.Guest)
	b.money(c.NightlyRate)
	b.flag(c.NoHoldExpiry)
	b.text(c.Channel, c.ExternalReference)
	if c.RatePlan != "" {
		b.text("rate_plan", c.RatePlan)
	}
	if q := c.Quote; q != nil {
		b.quote(q)
	}
}

func (c *ConfirmReservation) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID)
	if c.PaymentID != "" {
		b.text("payment", c.PaymentID)
		b.money(&c.Amount)
	}
	b.expected(c.ExpectedVersion)
}

func (c *CancelReservation) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID)
	b.number(int64(c.Reason))
	b.text(c.Note)
	if c.Waive {
		b.text("waive")
	}
	b.expected(c.ExpectedVersion)
}

func (c *MarkNoShow) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.ReservationID)
	if c.Waive {
		b.text("waive")
	}
	b.expected(c.ExpectedVersion)
}

func (c *ExpireHolds) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel)
	b.number(c.Now.UnixNano())
}
