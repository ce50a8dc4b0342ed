package availability

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"lodge/domain"
	"lodge/projections/fold"
)

// Limits of Search.
const (
	PageMax       = 200    // hotels of one page
	CandidatesMax = 20_000 // hotels at the place that is searched
	PricedMax     = 2_000  // hotels of a search that is sorted by price: all of them must be priced
	LookMax       = 1_000  // hotels that are looked at for one page otherwise
	PlaceMax      = 200    // bytes of the text of a place
)

// Sort says in which order hotels are found. Hotels that are alike come by id.
type Sort int

// The orders.
const (
	ByID Sort = iota
	ByPrice
	ByDistance // from the middle of the circle
	ByName
)

// Request says what to search for, and where: in a city, a place, a circle, or what lies in all that are named.
type Request struct {
	Ask

	City  string  // the whole name, as by Fold
	Place string  // words that words of the name or the address begin with
	Near  *Circle // nil: anywhere

	Price *PriceRange // of the cheapest offer; nil: any
	Sort  Sort

	Now   time.Time // stays that begin before today at the hotel cannot be had
	After *Mark     // hotels behind this one
	Limit int       // of one page; PageMax when it is 0 or more
}

// PriceRange is what a whole stay may cost, in hotels of one currency.
type PriceRange struct {
	Currency string
	Min      int64
	Max      *int64 // nil: any
}

// Mark is a place in the order of what is found.
type Mark struct {
	Name     string       // by name
	Distance float64      // by distance
	Price    domain.Money // by price
	HotelID  string
}

// Offer is a hotel with at least one room type that can be had.
type Offer struct {
	HotelID    string
	Currency   string
	DistanceKM float64     // from the middle of the circle, when there is one
	RoomTypes  []RoomOffer // the cheapest first, then by id; shared, not to be changed
}

// Page is a piece of what is found.
type Page struct {
	Offers []Offer
	Next   *Mark // go on behind it; nil: no more. A page may be short, even empty, and yet have a Next
}

// Search returns the hotels that a stay can really be booked in: rooms and a price for every night, no restriction broken, the guests within what
// room type and rate plan take. Errors: domain.InvalidArgument, domain.InvalidDates, domain.InvalidQuantity, domain.StayTooLong, and
// domain.LimitReached when too many hotels are there.
func (q *Queries) Search(ctx context.Context, req Request) (Page, error) {
	if err := req.validate(); err != nil {
		return Page{}, err
	}
	if req.Limit <= 0 || req.Limit > PageMax {
		req.Limit = PageMax
	}
	found, err := q.candidates(ctx, &req)
	if err != nil {
		return Page{}, err
	}
	if req.Sort == ByPrice {
		return q.searchByPrice(ctx, &req, found)
	}
	return q.searchInOrder(ctx, &req, found)
}

func (r *Request) validate() error {
	switch {
	case r.City == "" && r.Place == "" && r.Near == nil:
		return domain.Errorf(domain.InvalidArgument, "city", "name a city, a place, or a point with a radius")
	case r.City != "" && fold.Name(r.City) == "":
		return domain.Errorf(domain.InvalidArgument, "city", "the name is empty")
	case len(r.City) > PlaceMax:
		return domain.Errorf(domain.InvalidArgument, "city", "the name is longer than %d bytes", PlaceMax)
	case len(r.Place) > PlaceMax:
		return domain.Errorf(domain.InvalidArgument, "place", "the text is longer than %d bytes", PlaceMax)
	case r.Place != "" && len(r.words()) == 0:
		return domain.Errorf(domain.InvalidArgument, "place", "there is no letter and no digit in it")
	case r.Sort == ByDistance && r.Near == nil:
		return domain.Errorf(domain.InvalidArgument, "sort", "a distance needs a point to measure from")
	}
	if r.Near != nil {
		if err := r.Near.validate(); err != nil {
			return err
		}
	}
	if p := r.Price; p != nil && p.Max != nil && *p.Max < p.Min {
		return domain.Errorf(domain.InvalidArgument, "max_total", "the most is less than the least")
	}
	return r.Ask.validate()
}

func (r *Request) compare(a, b *Mark) int {
	switch r.Sort {
	case ByPrice:
		return comparePrice(a, b)
	case ByDistance:
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), strings.Compare(a.HotelID, b.HotelID))
	case ByName:
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.HotelID, b.HotelID))
	}
	return strings.Compare(a.HotelID, b.HotelID)
}

// behind reports whether the request goes on before m.
func (r *Request) behind(m *Mark) bool { return r.After == nil || r.compare(m, r.After) > 0 }

func (c *candidate) mark() Mark { return Mark{Name: c.name, Distance: c.distance, HotelID: c.id} }

// inOrder returns the hotels that the request goes on with, in its order, which is not by price.
func (r *Request) inOrder(found []candidate) []candidate {
	found = slices.DeleteFunc(found, func(c candidate) bool { m := c.mark(); return !r.behind(&m) })
	slices.SortFunc(found, func(a, b candidate) int { x, y := a.mark(), b.mark(); return r.compare(&x, &y) })
	return found
}

// chunk is how many hotels are looked at together.
const chunk = 32

// searchInOrder looks at the hotels in their order until the page is full.
func (q *Queries) searchInOrder(ctx context.Context, req *Request, found []candidate) (page Page, err error) {
	found = req.inOrder(found)
	for looked := 0; looked < len(found); {
		if looked >= LookMax || len(page.Offers) >= req.Limit {
			m := found[looked-1].mark()
			page.Next = &m
			return page, nil
		}
		n := min(chunk, len(found)-looked)
		offers, err := q.look(ctx, req, found[looked:looked+n])
		if err != nil {
			return Page{}, err
		}
		for i := range offers {
			if len(page.Offers) == req.Limit {
				break
			}
			if looked++; offers[i] != nil {
				page.Offers = append(page.Offers, *offers[i])
			}
		}
	}
	return page, nil
}

// searchByPrice looks at all hotels, since the cheapest may be anywhere.
func (q *Queries) searchByPrice(ctx context.Context, req *Request, found []candidate) (page Page, err error) {
	if len(found) > PricedMax {
		return Page{}, domain.Errorf(domain.LimitReached, "sort",
			"%d hotels are there, more than the %d that can be compared by price: name the place or the radius more narrowly", len(found), PricedMax)
	}
	offers, err := q.look(ctx, req, found)
	if err != nil {
		return Page{}, err
	}
	type priced struct {
		mark  Mark
		offer *Offer
	}
	var all []priced
	for _, o := range offers {
		if o == nil {
			continue
		}
		p := priced{Mark{Price: o.cheapest(), HotelID: o.HotelID}, o}
		if req.behind(&p.mark) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b priced) int { return comparePrice(&a.mark, &b.mark) })
	if len(all) > req.Limit {
		all = all[:req.Limit]
		page.Next = &all[req.Limit-1].mark
	}
	for _, p := range all {
		page.Offers = append(page.Offers, *p.offer)
	}
	return page, nil
}

// cheapest returns the total of the cheapest offer.
func (o *Offer) cheapest() domain.Money {
	return domain.Money{Currency: o.Currency, MinorUnits: o.RoomTypes[0].Price.Total}
}

// look returns what each of the hotels offers, nil for one that offers nothing.
func (q *Queries) look(ctx context.Context, req *Request, at []candidate) ([]*Offer, error) {
	offers := make([]*Offer, len(at))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(searchWorkers)
	for i := range at {
		group.Go(func() error {
			s, err := q.saleOf(ctx, at[i].id, req.Ask)
			if err != nil {
				return err
			}
			rooms := s.at(req.Stay, req.Now)
			if len(rooms) == 0 {
				return nil
			}
			o := &Offer{HotelID: at[i].id, Currency: s.house.currency, DistanceKM: at[i].distance, RoomTypes: rooms}
			if req.Price.takes(o.cheapest()) {
				offers[i] = o
			}
			return nil
		})
	}
	return offers, group.Wait()
}

func (p *PriceRange) takes(total domain.Money) bool {
	return p == nil || total.Currency == p.Currency && total.MinorUnits >= p.Min && (p.Max == nil || total.MinorUnits <= *p.Max)
}
