package domain

// IDMax is the longest hotel or room type id in bytes.
const IDMax = 63

// ValidateID returns an *Error with reason InvalidID unless id, of a hotel or a room type, is 1 to IDMax
// characters of [a-z0-9-] that begins and ends with a letter or digit. A lower-case UUID is one.
func ValidateID(id, field string) error {
	if len(id) == 0 || len(id) > IDMax || id[0] == '-' || id[len(id)-1] == '-' {
		return invalidID(id, field)
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return invalidID(id, field)
		}
	}
	return nil
}

func invalidID(id, field string) error {
	return Errorf(InvalidID, field, "%.80q is not 1 to %d characters of a-z, 0-9 and inner hyphens", id, IDMax)
}

// ReservationID is a UUID in binary.
type ReservationID [16]byte

// uuidLen is the length of 00000000-0000-0000-0000-000000000000.
const uuidLen = 36

// ParseReservationID reads a UUID in its canonical form: lower-case hexadecimal in groups of 8-4-4-4-12, not all zero.
// The error is an *Error with reason InvalidID and the field reservation_id.
func ParseReservationID(s string) (ReservationID, error) {
	var id ReservationID
	if len(s) != uuidLen || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, invalidUUID(s)
	}
	at := 0
	for i := range id {
		if at == 8 || at == 13 || at == 18 || at == 23 {
			at++
		}
		high, low := hexDigit[s[at]], hexDigit[s[at+1]]
		if high|low > 15 {
			return id, invalidUUID(s)
		}
		id[i] = high<<4 | low
		at += 2
	}
	if id == (ReservationID{}) {
		return id, invalidUUID(s)
	}
	return id, nil
}

func invalidUUID(s string) error {
	return Errorf(InvalidID, "reservation_id", "%.80q is not a lower-case UUID", s)
}

// String returns the canonical form.
func (id ReservationID) String() string {
	var b [uuidLen]byte
	at := 0
	for _, c := range id {
		if at == 8 || at == 13 || at == 18 || at == 23 {
			b[at] = '-'
			at++
		}
		b[at], b[at+1] = "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15]
		at += 2
	}
	return string(b[:])
}

// hexDigit maps a lower-case hexadecimal digit to its value and everything else to 255.
var hexDigit = func() (table [256]byte) {
	for c := range table {
		switch {
		case '0' <= c && c <= '9':
			table[c] = byte(c - '0')
		case 'a' <= c && c <= 'f':
			table[c] = byte(c - 'a' + 10)
		default:
			table[c] = 255
		}
	}
	return table
}()
