package hotel

import (
	"time"
	"unicode/utf8"

	"lodge/domain"
	"lodge/domain/eventpb"
)

// checkText returns an error unless s is at most limit bytes of UTF-8 without control characters; line breaks and tabs may be.
func checkText(field, s string, limit int) error {
	if len(s) > limit {
		return domain.Errorf(domain.InvalidArgument, field, "%d bytes are more than %d", len(s), limit)
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return domain.Errorf(domain.InvalidArgument, field, "there is a control character at byte %d", i)
		}
	}
	if !utf8.ValidString(s) {
		return domain.Errorf(domain.InvalidArgument, field, "it is not UTF-8")
	}
	return nil
}

// checkName is checkText for a display name, which must be there.
func checkName(s string) error {
	if s == "" {
		return domain.Errorf(domain.InvalidArgument, "display_name", "it is empty")
	}
	return checkText("display_name", s, NameMax)
}

func (a *Address) check() error {
	for _, line := range [...]struct{ field, text string }{
		{"address.street", a.Street}, {"address.city", a.City}, {"address.postal_code", a.PostalCode},
	} {
		if err := checkText(line.field, line.text, AddressLineMax); err != nil {
			return err
		}
	}
	if a.CountryCode != "" && !isCountryCode(a.CountryCode) {
		return domain.Errorf(domain.InvalidArgument, "address.country_code",
			"%.16q is not an ISO 3166-1 alpha-2 code such as PT", a.CountryCode)
	}
	if !(a.Latitude >= -90 && a.Latitude <= 90) { // also when it is no number
		return domain.Errorf(domain.InvalidArgument, "address.latitude", "%v is not from -90 to 90", a.Latitude)
	}
	if !(a.Longitude >= -180 && a.Longitude <= 180) {
		return domain.Errorf(domain.InvalidArgument, "address.longitude", "%v is not from -180 to 180", a.Longitude)
	}
	return nil
}

func isCountryCode(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

// checkHold returns the duration of holds to record.
func checkHold(d time.Duration) (time.Duration, error) {
	if d == 0 {
		return HoldDurationDefault, nil
	}
	return d, CheckHold(d)
}

// CheckHold returns an error for a duration that no hold has.
func CheckHold(d time.Duration) error {
	if d < HoldDurationMin || d > HoldDurationMax || d%time.Second != 0 {
		return domain.Errorf(domain.InvalidArgument, "hold_duration",
			"%s is not a whole number of seconds from %s to %s", d, HoldDurationMin, HoldDurationMax)
	}
	return nil
}

func checkCount(field string, n *int32) error {
	if n != nil && (*n < 0 || *n > CountMax) {
		return domain.Errorf(domain.InvalidArgument, field, "%d is not from 0 to %d", *n, CountMax)
	}
	return nil
}

func (g *Guest) check() error {
	for _, t := range [...]struct {
		field, text string
		limit       int
	}{
		{"guest.guest_id", g.ID, GuestIDMax},
		{"guest.display_name", g.DisplayName, NameMax},
		{"guest.email", g.Email, EmailMax},
	} {
		if err := checkText(t.field, t.text, t.limit); err != nil {
			return err
		}
	}
	for _, n := range [...]struct {
		field string
		count int32
	}{{"guest.adults", g.Adults}, {"guest.children", g.Children}, {"guest.infants", g.Infants}} {
		if n.count < 0 || n.count > PersonsMax {
			return domain.Errorf(domain.InvalidArgument, n.field, "%d is not from 0 to %d", n.count, PersonsMax)
		}
	}
	return nil
}

// recordedRate checks a rate and returns it as an event holds it, in the hotel's currency; nil when there is none.
func (s *State) recordedRate(field string, rate *domain.Money) (*eventpb.Money, error) {
	if rate == nil {
		return nil, nil
	}
	amount, err := s.checkRate(field, rate)
	if err != nil {
		return nil, err
	}
	return &eventpb.Money{CurrencyCode: s.currency, MinorUnits: amount}, nil
}

// checkRate returns the amount of a rate in the hotel's currency. An empty currency means the hotel's.
func (s *State) checkRate(field string, rate *domain.Money) (int64, error) {
	if rate.Currency != "" && rate.Currency != s.currency {
		if err := domain.ValidateCurrency(rate.Currency, field+".currency_code"); err != nil {
			return 0, err
		}
		return 0, domain.Errorf(domain.CurrencyMismatch, field+".currency_code",
			"%s is not the hotel's currency %s", rate.Currency, s.currency)
	}
	if rate.MinorUnits < 0 || rate.MinorUnits > domain.AmountMax {
		return 0, domain.Errorf(domain.InvalidArgument, field,
			"%d minor units is not from 0 to %d", rate.MinorUnits, int64(domain.AmountMax))
	}
	return rate.MinorUnits, nil
}
