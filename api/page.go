package api

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/domain"
	"lodge/projections/availability"
	"lodge/projections/hotels"
)

// The start page.
const (
	pageHotels = 20 // hotels shown
	pageNights = 42 // nights of each calendar
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// startPage is what the template shows.
type startPage struct {
	Host   string
	Hotels []hotelCard
	More   bool
	Curl   *curlExample
}

type hotelCard struct {
	Name, DisplayName, City string
	Strips                  []strip
}

// strip is a room type's calendar: one cell per night, the darker the fuller.
type strip struct {
	DisplayName string
	Rate        string
	Width       int
	Cells       []cell
}

type cell struct {
	X     int
	Color string
	Title string
}

type curlExample struct {
	Hotel, RoomType         string
	CheckIn, CheckOut       template.JS
	CheckInDay, CheckOutDay string
}

const cellWidth = 14

func (a *API) routePages(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", a.gated(lodgev1connect.HotelServiceListHotelsProcedure, askedHotels, a.serveStart))
	mux.HandleFunc("GET /events", a.gated(lodgev1connect.EventServiceSubscribeProcedure, askedEvents, a.serveEvents))
	mux.HandleFunc("GET /availability", a.gated(lodgev1connect.AvailabilityServiceWatchAvailabilityProcedure, askedAvailability, a.serveAvailability))
}

func (a *API) serveStart(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), a.opts.CallTimeout)
	defer cancel()
	page, err := a.startPage(ctx, r.Host)
	if err != nil {
		a.opts.Logger.ErrorContext(ctx, "show the start page", "error", err)
		http.Error(w, "The read models are not ready yet. Try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'")
	if err := pageTemplate.Execute(w, page); err != nil {
		a.opts.Logger.DebugContext(ctx, "send the start page", "error", err)
	}
}

func (a *API) startPage(ctx context.Context, host string) (*startPage, error) {
	list, err := a.hotels.List(ctx, hotels.Filter{Limit: pageHotels})
	if err != nil {
		return nil, err
	}
	page := &startPage{Host: host, More: list.Next != nil}
	for i := range list.Items {
		card, err := a.hotelCard(ctx, &list.Items[i])
		if err != nil {
			return nil, err
		}
		page.Hotels = append(page.Hotels, card)
		if page.Curl == nil && len(card.Strips) > 0 {
			if page.Curl, err = a.curlExample(ctx, &list.Items[i]); err != nil {
				return nil, err
			}
		}
	}
	return page, nil
}

func (a *API) hotelCard(ctx context.Context, h *hotels.Hotel) (hotelCard, error) {
	card := hotelCard{Name: hotelName(h.HotelID), DisplayName: h.DisplayName, City: h.Address.City}
	types, _, err := a.hotels.ListRoomTypes(ctx, h.HotelID, false, "", hotels.PageMax)
	if err != nil {
		return card, err
	}
	names := make(map[string]string, len(types))
	for i := range types {
		names[types[i].RoomTypeID] = types[i].DisplayName
	}
	today, err := a.today(h)
	if err != nil {
		return card, err
	}
	found, err := a.availability.Range(ctx, h.HotelID, "", today, today.AddDays(pageNights))
	for i := range found {
		card.Strips = append(card.Strips, toStrip(names[found[i].RoomTypeID], found[i].Nights))
	}
	return card, err
}

func toStrip(name string, nights []availability.Night) strip {
	s := strip{DisplayName: name, Width: len(nights) * cellWidth}
	for i := range nights {
		n := &nights[i]
		if s.Rate == "" && n.Rate != nil {
			s.Rate = n.Rate.String()
		}
		s.Cells = append(s.Cells, cell{X: i * cellWidth, Color: heat(n), Title: nightText(n)})
	}
	return s
}

// heat returns the color of a night: grey when nothing is for sale, else from green (free) over yellow to red (full).
func heat(n *availability.Night) string {
	sellable := n.Sellable()
	if sellable <= 0 {
		return "#ddd"
	}
	full := min(100, 100*(n.Sold+n.Held)/sellable)
	return fmt.Sprintf("hsl(%d 70%% %d%%)", 130-130*full/100, 78-28*full/100)
}

func nightText(n *availability.Night) string {
	text := fmt.Sprintf("%s %s: %d of %d left, %d sold, %d held", n.Date.Weekday().String()[:3], n.Date, n.Available(), n.Sellable(), n.Sold, n.Held)
	if n.Rate != nil {
		text += ", " + n.Rate.String()
	}
	return text
}

// curlExample finds a night to reserve: the first with a room and a price, a week from now or later if there is one.
func (a *API) curlExample(ctx context.Context, h *hotels.Hotel) (*curlExample, error) {
	today, err := a.today(h)
	if err != nil {
		return nil, err
	}
	found, err := a.availability.Range(ctx, h.HotelID, "", today, today.AddDays(pageNights))
	if err != nil {
		return nil, err
	}
	for _, t := range found {
		for i := range t.Nights {
			n := &t.Nights[(i+7)%len(t.Nights)]
			if n.Available() > 0 && n.Rate != nil {
				return exampleOf(h.HotelID, t.RoomTypeID, n.Date), nil
			}
		}
	}
	return nil, nil
}

func exampleOf(hotelID, roomTypeID string, night domain.Date) *curlExample {
	next := night.AddDays(1)
	return &curlExample{
		Hotel: hotelName(hotelID), RoomType: roomTypeName(hotelID, roomTypeID),
		CheckIn: dateJSON(night), CheckOut: dateJSON(next), CheckInDay: night.String(), CheckOutDay: next.String(),
	}
}

func dateJSON(d domain.Date) template.JS {
	year, month, day := d.Time(time.UTC).Date()
	return template.JS(fmt.Sprintf(`{"year":%d,"month":%d,"day":%d}`, year, month, day)) //nolint:gosec // three numbers
}
