package importer

import (
	"fmt"
	"slices"
	"strings"
)

// columnNames are the file's 32 columns in their usual order. The header decides the order; it may have more.
var columnNames = [...]string{
	"hotel", "is_canceled", "lead_time", "arrival_date_year", "arrival_date_month", "arrival_date_week_number",
	"arrival_date_day_of_month", "stays_in_weekend_nights", "stays_in_week_nights", "adults", "children", "babies",
	"meal", "country", "market_segment", "distribution_channel", "is_repeated_guest", "previous_cancellations",
	"previous_bookings_not_canceled", "reserved_room_type", "assigned_room_type", "booking_changes", "deposit_type",
	"agent", "company", "days_in_waiting_list", "customer_type", "adr", "required_car_parking_spaces",
	"total_of_special_requests", "reservation_status", "reservation_status_date",
}

// column numbers into columnNames.
const (
	colHotel = iota
	colIsCanceled
	colLeadTime
	colYear
	colMonth
	colWeek
	colDay
	colWeekendNights
	colWeekNights
	colAdults
	colChildren
	colBabies
	colMeal
	colCountry
	colMarketSegment
	colChannel
	colIsRepeated
	colPreviousCancellations
	colPreviousKept
	colReserved
	colAssigned
	colChanges
	colDeposit
	colAgent
	colCompany
	colWaiting
	colCustomer
	colRate
	colParking
	colRequests
	colStatus
	colStatusDate
	columnCount
)

// header says where each column is in a line.
type header struct {
	at     [columnCount]int
	fields int  // of the header line, which every line must have
	comma  byte // what separates fields
}

// parseHeader finds the columns. Names are matched whatever their case, quotes and surrounding blanks.
func parseHeader(line string) (header, error) {
	h := header{comma: separator(line)}
	names, err := splitLine(line, h.comma)
	if err != nil {
		return header{}, fmt.Errorf("read the header: %w", err)
	}
	for i := range names {
		names[i] = strings.ToLower(strings.TrimSpace(names[i]))
	}
	h.fields = len(names)
	var missing []string
	for column, name := range columnNames {
		h.at[column] = slices.Index(names, name)
		if h.at[column] < 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return header{}, fmt.Errorf("the first line is not the header of a hotel bookings file: %d of its %d columns are missing: %s",
			len(missing), columnCount, strings.Join(missing, ", "))
	}
	return h, nil
}

// separator returns the likeliest of the separators that copies of the file use.
func separator(line string) byte {
	best := byte(',')
	for _, c := range []byte{';', '\t'} {
		if strings.Count(line, string(c)) > strings.Count(line, string(best)) {
			best = c
		}
	}
	return best
}
