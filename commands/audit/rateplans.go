package audit

import (
	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/log"
)

// ratePlan is what a rate plan ever demanded of a stay. Between the topics of hotels and of bookings nothing says which version a decision rested on; but
// decisions come in order, and so do versions. The audit gives each decision the earliest version that explains it and is not older than
// that of the decision before. Where there is none, no order of events could have led to what is in the log.
type ratePlan struct {
	versions []planVersion
	at       int // version of the latest decision
}

type planVersion struct {
	minStay, maxStay int32
	archived         bool
}

// ratePlan applies a version of a rate plan.
func (h *hotelNights) ratePlan(m *eventpb.RatePlan) {
	p := h.plans[m.GetRatePlanId()]
	if p == nil {
		p = new(ratePlan)
		h.plans[m.GetRatePlanId()] = p
	}
	p.versions = append(p.versions, planVersion{m.GetMinStay(), m.GetMaxStay(), m.GetArchived()})
}

// explain moves on to the version that explains a decision, or reports that none does.
func (p *ratePlan) explain(explains func(planVersion) bool) bool {
	for i := p.at; i < len(p.versions); i++ {
		if explains(p.versions[i]) {
			p.at = i
			return true
		}
	}
	return false
}

// sold demands that a rate plan allowed a stay that was placed under it.
func (h *hotelNights) sold(p *pass, at log.Position, m *eventpb.ReservationPlaced, stay domain.Stay) {
	id := m.GetTerms().GetRatePlanId()
	if id == "" {
		return
	}
	nights := int32(stay.Nights())
	plan := h.plans[id]
	if plan == nil || !plan.explain(func(v planVersion) bool {
		return !v.archived && v.minStay <= nights && (v.maxStay == 0 || nights <= v.maxStay)
	}) {
		p.found(Forbidden, at, m.GetHotelId(), "reservation %s: no version of rate plan %q sells a stay of %d nights then", m.GetReservationId(), id, nights)
	}
}

// refused demands that a rate plan named in a rejection had exactly the limits that are named as broken.
func (h *hotelNights) refused(p *pass, at log.Position, m *eventpb.ReservationRejected, stay domain.Stay) {
	id := m.GetRatePlanId()
	if id == "" {
		return
	}
	nights := int32(stay.Nights())
	var fewest, most int32
	for _, b := range m.GetBrokenRestrictions() {
		switch b.GetRestriction() {
		case eventpb.Restriction_RESTRICTION_RATE_PLAN_MIN_STAY:
			fewest = b.GetLimit()
		case eventpb.Restriction_RESTRICTION_RATE_PLAN_MAX_STAY:
			most = b.GetLimit()
		}
	}
	broken := func(v planVersion) (short, long int32) {
		if v.minStay > nights {
			short = v.minStay
		}
		if v.maxStay != 0 && v.maxStay < nights {
			long = v.maxStay
		}
		return short, long
	}
	plan := h.plans[id]
	if plan == nil || !plan.explain(func(v planVersion) bool {
		short, long := broken(v)
		return !v.archived && short == fewest && long == most
	}) {
		p.found(FalseTurnaway, at, m.GetHotelId(), "reservation %s: no version of rate plan %q forbids %d nights by a minimum of %d and a maximum of %d then",
			m.GetReservationId(), id, nights, fewest, most)
	}
}
