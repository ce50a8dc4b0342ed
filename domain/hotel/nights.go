package hotel

import (
	"fmt"
	"slices"

	"lodge/domain"
)

// night is what is counted of one room type on one night. All but overbooking are >= 0.
type night struct {
	physical    int32
	outOfOrder  int32
	overbooking int32 // rooms when >= 0, else per cent of physical, negated
	sold        int32 // rooms of paid reservations
	held        int32 // rooms of pending reservations
}

// available returns how many rooms can still be taken; negative when inventory was set below what is taken.
func (n *night) available() int32 {
	return n.physical - n.outOfOrder + n.overbookingLimit() - n.sold - n.held
}

// overbookingLimit returns how many rooms may be sold beyond those that exist.
func (n *night) overbookingLimit() int32 {
	if n.overbooking >= 0 {
		return n.overbooking
	}
	return int32(int64(n.physical) * -int64(n.overbooking) / 100)
}

// noRate marks a night without a rate of its own.
const noRate = -1

// spanMax bounds the nights that one room type keeps, and one stay: wider than anything Decide lets in.
const spanMax = 100 * 366

// nights holds the nights of a room type densely, from base on.
// Invariant: rates, restricted and known are nil, when no night has any of its own, or as long as counts.
type nights struct {
	base   domain.Date
	counts []night
	rates  []int64 // minor units, or noRate

	restricted []Restrictions
	known      []known
}

// known says which counts of a night were ever set, be it to 0.
type known uint8

const (
	knownPhysical known = 1 << iota
	knownOverbooking

	knownAll = knownPhysical | knownOverbooking
)

// said returns which counts of the night of d were ever set.
func (n *nights) said(d domain.Date) known {
	if i := int(d) - int(n.base); i >= 0 && i < len(n.known) {
		return n.known[i]
	}
	return 0
}

// say records that counts of the nights [from, to), which exist, were set.
func (n *nights) say(from, to domain.Date, what known) {
	if what == 0 {
		return
	}
	if n.known == nil {
		n.known = make([]known, len(n.counts))
	}
	for d := from; d < to; d++ {
		n.known[d-n.base] |= what
	}
}

// at returns the night of d, or nil when nothing was ever said about it.
func (n *nights) at(d domain.Date) *night {
	if i := int(d) - int(n.base); i >= 0 && i < len(n.counts) {
		return &n.counts[i]
	}
	return nil
}

// rate returns d's own rate in minor units, or noRate.
func (n *nights) rate(d domain.Date) int64 {
	if i := int(d) - int(n.base); i >= 0 && i < len(n.rates) {
		return n.rates[i]
	}
	return noRate
}

// restrictions returns those of the night of d.
func (n *nights) restrictions(d domain.Date) Restrictions {
	if i := int(d) - int(n.base); i >= 0 && i < len(n.restricted) {
		return n.restricted[i]
	}
	return Restrictions{}
}

// setRestrictions replaces those of the night of d, which exists.
func (n *nights) setRestrictions(d domain.Date, r Restrictions) {
	if n.restricted == nil && r != (Restrictions{}) {
		n.restricted = make([]Restrictions, len(n.counts))
	}
	if n.restricted != nil {
		n.restricted[d-n.base] = r
	}
}

// ensure makes room for the nights [from, to).
func (n *nights) ensure(from, to domain.Date) error {
	if len(n.counts) == 0 {
		n.base = from
	}
	first, end := min(n.base, from), max(n.base+domain.Date(len(n.counts)), to)
	if int(end)-int(first) > spanMax {
		return fmt.Errorf("nights from %s to %s are more than %d", first, end, spanMax)
	}
	if before := int(n.base - first); before > 0 {
		n.counts = slices.Concat(make([]night, before), n.counts)
		if n.rates != nil {
			n.rates = slices.Concat(slices.Repeat([]int64{noRate}, before), n.rates)
		}
		if n.restricted != nil {
			n.restricted = slices.Concat(make([]Restrictions, before), n.restricted)
		}
		if n.known != nil {
			n.known = slices.Concat(make([]known, before), n.known)
		}
		n.base = first
	}
	if after := int(end-first) - len(n.counts); after > 0 {
		n.counts = append(n.counts, make([]night, after)...)
		if n.rates != nil {
			n.rates = append(n.rates, slices.Repeat([]int64{noRate}, after)...)
		}
		if n.restricted != nil {
			n.restricted = append(n.restricted, make([]Restrictions, after)...)
		}
		if n.known != nil {
			n.known = append(n.known, make([]known, after)...)
		}
	}
	return nil
}

// setRate gives the nights [from, to), which exist, a rate of their own.
func (n *nights) setRate(from, to domain.Date, rate int64) {
	if n.rates == nil {
		n.rates = slices.Repeat([]int64{noRate}, len(n.counts))
	}
	for d := from; d < to; d++ {
		n.rates[d-n.base] = rate
	}
}

// add changes the sold and held counts of those nights of the stay that are kept.
func (n *nights) add(stay domain.Stay, sold, held int32) {
	from := max(stay.CheckIn, n.base)
	to := min(stay.CheckOut, n.base+domain.Date(len(n.counts)))
	for d := from; d < to; d++ {
		count := &n.counts[d-n.base]
		count.sold += sold
		count.held += held
	}
}

// forget drops the nights before d.
func (n *nights) forget(d domain.Date) {
	drop := min(int(d)-int(n.base), len(n.counts))
	if drop <= 0 {
		return
	}
	n.counts = slices.Delete(n.counts, 0, drop)
	if n.rates != nil {
		n.rates = slices.Delete(n.rates, 0, drop)
	}
	if n.restricted != nil {
		n.restricted = slices.Delete(n.restricted, 0, drop)
	}
	if n.known != nil {
		n.known = slices.Delete(n.known, 0, drop)
	}
	n.base += domain.Date(drop)
}
