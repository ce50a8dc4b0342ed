package importer

import (
	"cmp"
	"fmt"
	"slices"

	"lodge/domain"
)

// assigned returns the file's name of the room type that the guest was given: the one that was booked where the file does not say.
func (r *Row) assigned() string { return cmp.Or(r.AssignedRoomType, r.ReservedRoomType) }

func (r *Row) given() roomTypeKey { return roomTypeKey{slug(r.Hotel), slug(r.assigned())} }

// deposited reports whether money was paid with the booking.
func (r *Row) deposited() bool { return r.DepositType != "" && r.DepositType != noDeposit }

// The deposit types of the data that mean something of their own.
const (
	noDeposit = "No Deposit"
	nonRefund = "Non Refund"
)

// rooms are the physical rooms of one room type: as many as there were ever guests at once. Which room a guest had is not in the data; each gets the
// first that is free.
type rooms struct{ guests []int } // row and one, by room; 0: empty

// enter gives the guest of a row a room and returns its id.
func (r *rooms) enter(of roomTypeKey, row int) string {
	i := slices.Index(r.guests, 0)
	if i < 0 {
		i = len(r.guests)
		r.guests = append(r.guests, 0)
	}
	r.guests[i] = row + 1
	return roomID(of.roomType, i)
}

func (r *rooms) leave(row int) {
	if i := slices.Index(r.guests, row+1); i >= 0 {
		r.guests[i] = 0
	}
}

// roomID returns the id of the n-th room of a type, from 0.
func roomID(roomType string, n int) string {
	const suffix = len("-100000")
	return fmt.Sprintf("%s-%d", roomType[:min(len(roomType), domain.IDMax-suffix)], n+1)
}
