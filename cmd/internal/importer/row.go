package importer

import (
	"lodge/domain"
)

// Status is how a booking ended, in the file's own words.
type Status string

// The three words of the column reservation_status.
const (
	CheckOut Status = "Check-Out" // kept
	Canceled Status = "Canceled"
	NoShow   Status = "No-Show" // missed
)

// Row is one line of the file: all of its 32 columns. Missing values are empty or zero.
type Row struct {
	Line int // in the file, from 1, the header included

	Hotel                       string
	IsCanceled                  bool
	LeadTime                    int         // days from booking to arrival
	Arrival                     domain.Date // from year, month and day of month
	ArrivalWeek                 int
	WeekendNights               int
	WeekNights                  int
	Adults                      int
	Children                    int
	Babies                      int
	Meal                        string
	Country                     string // ISO 3166-1 alpha-3
	MarketSegment               string
	DistributionChannel         string
	IsRepeatedGuest             bool
	PreviousCancellations       int
	PreviousBookingsNotCanceled int
	ReservedRoomType            string
	AssignedRoomType            string
	BookingChanges              int
	DepositType                 string
	Agent                       string
	Company                     string
	DaysInWaitingList           int
	CustomerType                string
	RateMinor                   int64 // adr in hundredths of a unit, whatever the currency has
	ParkingSpaces               int
	SpecialRequests             int
	Status                      Status
	StatusDate                  domain.Date // check-out, cancellation or no-show
}

// Nights returns how many nights were booked.
func (r *Row) Nights() int { return r.WeekendNights + r.WeekNights }

// Booked returns the day on which the booking was made.
func (r *Row) Booked() domain.Date { return r.Arrival.AddDays(-r.LeadTime) }

// Stay returns the nights as booked, half-open.
func (r *Row) Stay() domain.Stay {
	return domain.Stay{CheckIn: r.Arrival, CheckOut: r.Arrival.AddDays(r.Nights())}
}
