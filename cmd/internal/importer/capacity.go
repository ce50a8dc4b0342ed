package importer

import (
	"fmt"
	"strconv"
	"strings"

	"lodge/domain"
)

// CapacityMax is the largest number of rooms of one type that can be asked for.
const CapacityMax = 100_000

// Capacity says how many rooms of each type the hotels have. It is not in the data. The zero value derives it:
// as many rooms as were ever taken at once in any one night, so that everything that happened was possible.
type Capacity struct {
	all    int            // for every room type without its own; 0: derived
	byType map[string]int // by the file's name of the room type, or hotel slug, a slash and that name
}

// ParseCapacity reads "50" (every room type has 50 rooms), "A=50,resort-hotel/D=20" (these have, the others are derived) or both together.
func ParseCapacity(s string) (Capacity, error) {
	c := Capacity{byType: map[string]int{}}
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, number, named := strings.Cut(part, "=")
		if !named {
			name, number = "", part
		}
		rooms, err := strconv.Atoi(number)
		if err != nil || rooms < 1 || rooms > CapacityMax {
			return Capacity{}, fmt.Errorf("capacity %q is not a number of rooms from 1 to %d", part, CapacityMax)
		}
		if named {
			c.byType[strings.ToLower(name)] = rooms
		} else {
			c.all = rooms
		}
	}
	return c, nil
}

// of returns the rooms of a room type, with derived as the last resort. A type that nobody ever took has one.
func (c Capacity) of(hotelID, roomType string, derived int) int {
	roomType = strings.ToLower(roomType)
	for _, name := range []string{hotelID + "/" + roomType, roomType} {
		if rooms, ok := c.byType[name]; ok {
			return rooms
		}
	}
	if c.all > 0 {
		return c.all
	}
	return max(derived, 1)
}

// given reports whether any number of rooms was asked for.
func (c Capacity) given() bool { return c.all > 0 || len(c.byType) > 0 }

// demand follows how many rooms of one room type are taken in each night.
type demand struct {
	nights map[domain.Date]int
	peak   int // the most that were ever taken at once in one night
}

func (d *demand) take(stay domain.Stay) {
	for night := range stay.All() {
		d.nights[night]++
		d.peak = max(d.peak, d.nights[night])
	}
}

func (d *demand) release(stay domain.Stay) {
	for night := range stay.All() {
		d.nights[night]--
	}
}
