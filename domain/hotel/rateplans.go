package hotel

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// PlanTerms are what a rate plan says.
type PlanTerms struct {
	DisplayName      string
	Description      string
	Cancellation     *eventpb.CancellationTerms // nil: free at any time. Not changed by anybody
	FeeCurrency      string                     // of the fees' amounts: the hotel's, or empty for that
	IncludedGuests   int32                      // in one room; 0: all
	ExtraGuestCharge *domain.Money              // nil: none
	MaxAdults        *int32                     // in one room; nil: any
	MaxChildren      *int32
	MinStay          int32 // nights; 0: any
	MaxStay          int32
	DefaultRates     []DefaultRate // of nights that the hotel's horizon reaches; of a room type one at most
}

// PlanFields is a set of the terms of a plan.
type PlanFields uint16

// The terms that can be changed.
const (
	PlanDisplayName PlanFields = 1 << iota
	PlanDescription
	PlanCancellation
	PlanIncludedGuests
	PlanExtraGuestCharge
	PlanMaxAdults
	PlanMaxChildren
	PlanMinStay
	PlanMaxStay
	PlanDefaultRates

	PlanAll = 1<<iota - 1
)

// CreateRatePlan makes a rate plan.
type CreateRatePlan struct {
	Hotel    string
	RatePlan string
	Terms    PlanTerms
}

// UpdateRatePlan changes the terms in Fields to what Terms says, be it nothing. It is recorded even when everything is as it was.
type UpdateRatePlan struct {
	Hotel           string
	RatePlan        string
	ExpectedVersion int64 // 0: any
	Terms           PlanTerms
	Fields          PlanFields
}

// ArchiveRatePlan ends a rate plan's selling. Its reservations stand.
type ArchiveRatePlan struct {
	Hotel           string
	RatePlan        string
	ExpectedVersion int64 // 0: any
}

// HotelID implements Command.
func (c *CreateRatePlan) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *UpdateRatePlan) HotelID() string { return c.Hotel }

// HotelID implements Command.
func (c *ArchiveRatePlan) HotelID() string { return c.Hotel }

// Topic implements Command.
func (c *CreateRatePlan) Topic() string { return event.HotelsTopic }

// Topic implements Command.
func (c *UpdateRatePlan) Topic() string { return event.HotelsTopic }

// Topic implements Command.
func (c *ArchiveRatePlan) Topic() string { return event.HotelsTopic }

// Fingerprint implements Command.
func (c *CreateRatePlan) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *UpdateRatePlan) Fingerprint() [16]byte { return fingerprint(c) }

// Fingerprint implements Command.
func (c *ArchiveRatePlan) Fingerprint() [16]byte { return fingerprint(c) }

func (c *CreateRatePlan) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.RatePlan)
	b.terms(&c.Terms)
}

func (c *UpdateRatePlan) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.RatePlan)
	b.number(c.ExpectedVersion, int64(c.Fields))
	b.terms(&c.Terms)
}

func (c *ArchiveRatePlan) appendTo(b *canonical) {
	b.text(c.Name(), c.Hotel, c.RatePlan)
	b.number(c.ExpectedVersion)
}

func (c *canonical) terms(t *PlanTerms) {
	c.text(t.DisplayName, t.Description, t.FeeCurrency)
	if c.flag(t.Cancellation != nil); t.Cancellation != nil {
		terms := t.Cancellation
		c.number(int64(terms.FreeDays), int64(terms.FreeUntilHour))
		c.flag(terms.NeverFree)
		for _, fee := range [...]*eventpb.CancellationFee{terms.Fee, terms.NoShowFee} {
			c.number(int64(fee.GetKind()), fee.GetAmount())
		}
	}
	c.number(int64(t.IncludedGuests))
	c.money(t.ExtraGuestCharge)
	c.optionalNumber(t.MaxAdults)
	c.optionalNumber(t.MaxChildren)
	c.number(int64(t.MinStay), int64(t.MaxStay))
	c.defaultRates(t.DefaultRates)
}

func (s *State) createRatePlan(c *CreateRatePlan) ([]proto.Message, error) {
	if err := s.open(c.Hotel); err != nil {
		return nil, err
	}
	if err := domain.ValidateID(c.RatePlan, "rate_plan_id"); err != nil {
		return nil, err
	}
	if _, ok := s.ratePlanIndex[c.RatePlan]; ok {
		return nil, domain.Errorf(domain.RatePlanExists, "rate_plan_id", "hotel %s has a rate plan %s already", c.Hotel, c.RatePlan)
	}
	if len(s.ratePlans) >= RatePlansMax {
		return nil, domain.Errorf(domain.LimitReached, "rate_plan_id", "hotel %s has %d rate plans, which is the most", c.Hotel, RatePlansMax)
	}
	plan := &eventpb.RatePlan{HotelId: c.Hotel, RatePlanId: c.RatePlan, Version: 1, CurrencyCode: s.currency}
	if err := s.applyTerms(plan, &c.Terms, PlanAll); err != nil {
		return nil, err
	}
	return one(&eventpb.RatePlanCreated{RatePlan: plan}), nil
}

func (s *State) updateRatePlan(c *UpdateRatePlan) ([]proto.Message, error) {
	plan, err := s.nextRatePlan(c.Hotel, c.RatePlan, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	if err := s.applyTerms(plan, &c.Terms, c.Fields); err != nil {
		return nil, err
	}
	return one(&eventpb.RatePlanUpdated{RatePlan: plan}), nil
}

func (s *State) archiveRatePlan(c *ArchiveRatePlan) ([]proto.Message, error) {
	plan, err := s.nextRatePlan(c.Hotel, c.RatePlan, c.ExpectedVersion)
	if err != nil {
		return nil, err
	}
	plan.Archived = true
	return one(&eventpb.RatePlanArchived{RatePlan: plan}), nil
}

// nextRatePlan returns a copy of the rate plan in its next version, ready to be changed.
func (s *State) nextRatePlan(hotelID, ratePlanID string, expected int64) (*eventpb.RatePlan, error) {
	index, err := s.openRatePlan(hotelID, ratePlanID)
	if err != nil {
		return nil, err
	}
	plan := proto.CloneOf(s.ratePlans[index])
	if err := checkVersion(expected, plan.Version); err != nil {
		return nil, err
	}
	plan.Version++
	return plan, nil
}

// openRatePlan returns the index of a rate plan that is not archived, of an open hotel.
func (s *State) openRatePlan(hotelID, ratePlanID string) (uint16, error) {
	if err := s.open(hotelID); err != nil {
		return 0, err
	}
	if err := domain.ValidateID(ratePlanID, "rate_plan_id"); err != nil {
		return 0, err
	}
	index, ok := s.ratePlanIndex[ratePlanID]
	if !ok {
		return 0, domain.Errorf(domain.RatePlanNotFound, "rate_plan_id", "hotel %s has no rate plan %s", hotelID, ratePlanID)
	}
	if s.ratePlans[index].Archived {
		return 0, domain.Errorf(domain.RatePlanArchived, "rate_plan_id", "rate plan %s of hotel %s is archived", ratePlanID, hotelID)
	}
	return index, nil
}

// applyTerms checks the terms in fields and writes them into plan.
func (s *State) applyTerms(plan *eventpb.RatePlan, t *PlanTerms, fields PlanFields) error {
	if fields&PlanDisplayName != 0 {
		if err := checkName(t.DisplayName); err != nil {
			return err
		}
		plan.DisplayName = t.DisplayName
	}
	if fields&PlanDescription != 0 {
		if err := checkText("description", t.Description, DescriptionMax); err != nil {
			return err
		}
		plan.Description = t.Description
	}
	if fields&PlanCancellation != 0 {
		if err := s.checkCancellation(t.Cancellation, t.FeeCurrency); err != nil {
			return err
		}
		plan.Cancellation = proto.CloneOf(t.Cancellation)
	}
	if err := s.applyOccupancy(plan, t, fields); err != nil {
		return err
	}
	if fields&PlanDefaultRates != 0 {
		rates, err := s.defaultRates(t.DefaultRates)
		if err != nil {
			return err
		}
		plan.DefaultRates = rates
	}
	if fields&PlanMinStay != 0 {
		plan.MinStay = t.MinStay
	}
	if fields&PlanMaxStay != 0 {
		plan.MaxStay = t.MaxStay
	}
	return checkStayLimits(&plan.MinStay, &plan.MaxStay)
}

func (s *State) applyOccupancy(plan *eventpb.RatePlan, t *PlanTerms, fields PlanFields) error {
	for _, n := range [...]struct {
		field string
		set   PlanFields
		count *int32
	}{
		{"included_guests", PlanIncludedGuests, &t.IncludedGuests},
		{"max_adults", PlanMaxAdults, t.MaxAdults}, {"max_children", PlanMaxChildren, t.MaxChildren},
	} {
		if fields&n.set != 0 && n.count != nil && (*n.count < 0 || *n.count > MaxGuestsMax) {
			return domain.Errorf(domain.InvalidArgument, n.field, "%d is not from 0 to %d", *n.count, MaxGuestsMax)
		}
	}
	if fields&PlanIncludedGuests != 0 {
		plan.IncludedGuests = t.IncludedGuests
	}
	if fields&PlanMaxAdults != 0 {
		plan.MaxAdults = copyOf(t.MaxAdults)
	}
	if fields&PlanMaxChildren != 0 {
		plan.MaxChildren = copyOf(t.MaxChildren)
	}
	if fields&PlanExtraGuestCharge == 0 {
		return nil
	}
	charge, err := s.recordedRate("extra_guest_charge", t.ExtraGuestCharge)
	if err != nil {
		return err
	}
	plan.ExtraGuestCharge = charge
	return nil
}

func (s *State) checkCancellation(terms *eventpb.CancellationTerms, currency string) error {
	if terms == nil {
		return nil
	}
	if currency != "" && currency != s.currency {
		return domain.Errorf(domain.CurrencyMismatch, "cancellation", "%.16q is not the hotel's currency %s", currency, s.currency)
	}
	if n := terms.FreeDays; n < 0 || n > FreeDaysMax {
		return domain.Errorf(domain.InvalidArgument, "cancellation.free_days", "%d is not from 0 to %d", n, FreeDaysMax)
	}
	if n := terms.FreeUntilHour; n < 0 || n > 24 {
		return domain.Errorf(domain.InvalidArgument, "cancellation.free_until_hour", "%d is not from 0 to 24", n)
	}
	for _, f := range [...]struct {
		field string
		fee   *eventpb.CancellationFee
	}{{"cancellation.fee", terms.Fee}, {"cancellation.no_show_fee", terms.NoShowFee}} {
		if f.fee == nil {
			continue
		}
		least, most := int64(0), int64(domain.AmountMax)
		switch f.fee.Kind {
		case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_NIGHTS:
			least, most = 1, domain.StayNightsMax
		case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_PERCENT:
			most = percentWhole
		case eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_AMOUNT:
		default:
			return domain.Errorf(domain.InvalidArgument, f.field, "%s is no kind of fee", f.fee.Kind)
		}
		if f.fee.Amount < least || f.fee.Amount > most {
			return domain.Errorf(domain.InvalidArgument, f.field, "%d is not from %d to %d", f.fee.Amount, least, most)
		}
	}
	return nil
}

// BrokenByPlan returns the limits of a rate plan that a stay breaks, as BrokenBy does those of nights.
func BrokenByPlan(plan *eventpb.RatePlan, stay domain.Stay) (broken []Broken) {
	nights := int32(stay.Nights())
	if nights < plan.GetMinStay() {
		broken = append(broken, Broken{eventpb.Restriction_RESTRICTION_RATE_PLAN_MIN_STAY, []domain.Date{stay.CheckIn}, plan.MinStay})
	}
	if plan.GetMaxStay() > 0 && nights > plan.MaxStay {
		broken = append(broken, Broken{eventpb.Restriction_RESTRICTION_RATE_PLAN_MAX_STAY, []domain.Date{stay.CheckIn}, plan.MaxStay})
	}
	return broken
}

// CheckOccupancy returns an error when a plan's rooms do not take so many guests.
func CheckOccupancy(plan *eventpb.RatePlan, quantity, adults, children int32) error {
	for _, n := range [...]struct {
		field     string
		count     int32
		most      *int32
		ofWhatFor string
	}{{"guest.adults", adults, plan.MaxAdults, "adults"}, {"guest.children", children, plan.MaxChildren, "children"}} {
		if n.most != nil && int64(n.count) > int64(*n.most)*int64(quantity) {
			return domain.Errorf(domain.OccupancyExceeded, n.field, "%d %s are more than %d in each of %d rooms under rate plan %s",
				n.count, n.ofWhatFor, *n.most, quantity, plan.RatePlanId)
		}
	}
	return nil
}

// CheckGuests returns an error when so many rooms, each for most guests (0: any number), do not take the guests. Infants do not count.
func CheckGuests(most, quantity, adults, children int32) error {
	if most == 0 || int64(adults)+int64(children) <= int64(most)*int64(quantity) {
		return nil
	}
	return domain.Errorf(domain.OccupancyExceeded, "guest", "%d guests are more than %d in each of %d rooms", int64(adults)+int64(children), most, quantity)
}

func (s *State) addRatePlan(plan *eventpb.RatePlan) error {
	id := plan.GetRatePlanId()
	if err := s.owns(plan.GetHotelId()); err != nil {
		return err
	}
	if _, ok := s.ratePlanIndex[id]; ok || id == "" || len(s.ratePlans) >= math.MaxUint16 {
		return fmt.Errorf("rate plan %q cannot be added to %d", id, len(s.ratePlans))
	}
	if s.ratePlanIndex == nil {
		s.ratePlanIndex = make(map[string]uint16)
	}
	s.ratePlanIndex[id] = uint16(len(s.ratePlans))
	s.ratePlans = append(s.ratePlans, proto.CloneOf(plan))
	return nil
}

func (s *State) setRatePlan(plan *eventpb.RatePlan) error {
	index, err := s.knownRatePlan(plan.GetHotelId(), plan.GetRatePlanId())
	if err != nil {
		return err
	}
	s.ratePlans[index] = proto.CloneOf(plan)
	return nil
}

func (s *State) knownRatePlan(hotelID, ratePlanID string) (uint16, error) {
	if err := s.owns(hotelID); err != nil {
		return 0, err
	}
	index, ok := s.ratePlanIndex[ratePlanID]
	if !ok {
		return 0, fmt.Errorf("there is no rate plan %q", ratePlanID)
	}
	return index, nil
}
