package api

import (
	"hash/crc32"
	"strconv"
	"strings"

	"lodge/domain"
)

// toEtag makes an etag of a version; fromEtag reads one, 0 when it is empty.
func toEtag(version int64) string { return strconv.FormatInt(version, 10) }

func fromEtag(etag string) (int64, error) {
	if etag == "" {
		return 0, nil
	}
	version, err := strconv.ParseInt(etag, 10, 64)
	if err != nil || version <= 0 {
		return 0, notItsEtag(etag)
	}
	return version, nil
}

func notItsEtag(etag string) error {
	return domain.Errorf(domain.EtagMismatch, "etag", "%.40q is not an etag of this resource", etag)
}

// reservationEtag makes the etag of a reservation's version: with a checksum of its name, since one program handles many reservations of low versions, and
// an etag of another one must not pass.
func reservationEtag(hotelID, id string, version int64) string {
	var scratch [64]byte
	b := append(strconv.AppendInt(scratch[:0], version, 10), '-')
	return string(strconv.AppendUint(b, uint64(nameSum(hotelID, id)), 16))
}

// reservationVersion reads an etag of a reservation: its version, 0 when the etag is empty.
func reservationVersion(etag, hotelID, id string) (int64, error) {
	if etag == "" {
		return 0, nil
	}
	number, _, _ := strings.Cut(etag, "-")
	version, err := fromEtag(number)
	if err != nil || etag != reservationEtag(hotelID, id, version) {
		return 0, notItsEtag(etag)
	}
	return version, nil
}

func nameSum(hotelID, id string) uint32 {
	var scratch [128]byte
	return crc32.ChecksumIEEE(append(append(append(scratch[:0], hotelID...), '/'), id...))
}
