package importer

import (
	"strconv"
	"strings"

	"github.com/google/uuid"

	"lodge/domain"
)

// namespace is the UUID v5 namespace of everything imported. Changing it would make every re-import add a second copy.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://doi.org/10.1016/j.dib.2018.11.126"))

// identity derives ids from rows. The data has no booking numbers and thousands of identical rows, so a row's
// name is its content and how many identical rows came before it.
type identity struct {
	seen map[string]int // by content: rows so far
}

func newIdentity(rows int) *identity { return &identity{seen: make(map[string]int, rows)} }

// reservation returns the id of the reservation that row r tells of.
func (id *identity) reservation(r *Row) uuid.UUID {
	content := r.content()
	n := id.seen[content]
	id.seen[content] = n + 1
	return derive("reservation", content, strconv.Itoa(n))
}

// derive returns the UUID v5 of words.
func derive(words ...string) uuid.UUID {
	return uuid.NewSHA1(namespace, []byte(strings.Join(words, "\x1f")))
}

// content writes all 32 columns in one way, whatever the file's way was.
func (r *Row) content() string {
	var b strings.Builder
	b.Grow(256)
	for _, word := range []string{
		r.Hotel, r.Arrival.String(), r.Meal, r.Country, r.MarketSegment, r.DistributionChannel, r.ReservedRoomType,
		r.AssignedRoomType, r.DepositType, r.Agent, r.Company, r.CustomerType, string(r.Status), r.StatusDate.String(),
	} {
		b.WriteString(word)
		b.WriteByte(0x1f)
	}
	for _, n := range []int{
		r.LeadTime, r.ArrivalWeek, r.WeekendNights, r.WeekNights, r.Adults, r.Children, r.Babies, bit(r.IsCanceled),
		bit(r.IsRepeatedGuest), r.PreviousCancellations, r.PreviousBookingsNotCanceled, r.BookingChanges,
		r.DaysInWaitingList, int(r.RateMinor), r.ParkingSpaces, r.SpecialRequests,
	} {
		b.WriteString(strconv.Itoa(n))
		b.WriteByte(0x1f)
	}
	return b.String()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// slug makes a resource id of a name: resort-hotel of "Resort Hotel". Names without a letter or digit become "x".
func slug(name string) string {
	var b strings.Builder
	dash := false
	for _, c := range strings.ToLower(name) {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			dash = false
			b.WriteRune(c)
			continue
		}
		dash = true
	}
	if b.Len() == 0 {
		return "x"
	}
	return strings.TrimRight(b.String()[:min(b.Len(), domain.IDMax)], "-")
}
