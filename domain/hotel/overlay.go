package hotel

import "lodge/domain"

// overlay counts rooms that a command takes before its events are in the state. A nil overlay counts none.
type overlay map[overlaid]int32

type overlaid struct {
	roomType uint16
	night    domain.Date
}

func (o overlay) add(roomType uint16, stay domain.Stay, quantity int32) {
	for d := range stay.All() {
		o[overlaid{roomType, d}] += quantity
	}
}

func (o overlay) taken(roomType uint16, d domain.Date) int32 {
	if o == nil {
		return 0
	}
	return o[overlaid{roomType, d}]
}
