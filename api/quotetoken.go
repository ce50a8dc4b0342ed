package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"time"

	"lodge/domain"
	"lodge/domain/hotel"
)

// ReasonInvalidQuote says that a quote's token is not one of this platform, or not of this stay.
const ReasonInvalidQuote = "INVALID_QUOTE"

// A quote's token is base64url of
//
//	version (1 byte) | HMAC-SHA256 with the platform's key, of all that follows (16 bytes) | parts, each a uvarint length and its bytes
//
// The parts are id, expire time, hotel, room type, rate plan, quantity, check-in, check-out, adults, children, digest and total. The price itself
// is not in it: the decider prices the stay again and compares digests, so that the token stays short and nothing is taken at its word.
const (
	quoteVersion  = 1
	quoteMACBytes = 16
	quoteHead     = 1 + quoteMACBytes
	quoteKeyMin   = 16
)

// quoteParts are a quote's parts: what it is of, then what it says.
func quoteParts(q *hotel.Quote, of *hotel.PlaceReservation) []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		of.Hotel, of.RoomType, of.RatePlan, number(int64(of.Quantity)), of.Stay.CheckIn.String(), of.Stay.CheckOut.String(),
		number(int64(of.Guest.Adults)), number(int64(of.Guest.Children)),
		q.ID, number(q.ExpireTime.UnixMilli()), string(q.Digest[:]), number(q.Total),
	}
}

// quoteOfParts is how many parts say what a quote is of.
const quoteOfParts = 8

func (a *API) quoteMAC(b []byte) []byte {
	h := hmac.New(sha256.New, a.opts.QuoteKey)
	h.Write(b)
	return h.Sum(nil)[:quoteMACBytes]
}

func (a *API) quoteToken(q *hotel.Quote, of *hotel.PlaceReservation) string {
	b := make([]byte, quoteHead, 192)
	b[0] = quoteVersion
	for _, part := range quoteParts(q, of) {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	copy(b[1:], a.quoteMAC(b[quoteHead:]))
	return base64.RawURLEncoding.EncodeToString(b)
}

// readQuote returns the quote of a token, which must be of what body reserves. Its time and price are the decider's to judge: a request that
// was answered before gets its answer also when the quote is over by now.
func (a *API) readQuote(token string, body *hotel.PlaceReservation) (*hotel.Quote, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < quoteHead || b[0] != quoteVersion || !hmac.Equal(b[1:quoteHead], a.quoteMAC(b[quoteHead:])) {
		return nil, domain.Errorf(ReasonInvalidQuote, "quote", "the quote is not one of this platform")
	}
	parts, ok := tokenParts(b[quoteHead:])
	q := new(hotel.Quote)
	if !ok || len(parts) != len(quoteParts(q, body)) || copy(q.Digest[:], parts[10]) != len(q.Digest) {
		return nil, domain.Errorf(ReasonInvalidQuote, "quote", "the quote is not one of this platform")
	}
	for i, part := range quoteParts(q, body)[:quoteOfParts] {
		if parts[i] != part {
			return nil, domain.Errorf(ReasonInvalidQuote, "quote", "the quote is of another stay: it says %.80q and the reservation %.80q", parts[i], part)
		}
	}
	expire, err := strconv.ParseInt(parts[9], 10, 64)
	if err != nil {
		return nil, domain.Errorf(ReasonInvalidQuote, "quote", "the quote is not one of this platform")
	}
	q.ID, q.ExpireTime = parts[8], time.UnixMilli(expire)
	q.Total, err = strconv.ParseInt(parts[11], 10, 64)
	return q, err
}
