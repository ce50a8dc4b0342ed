package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"lodge/domain"
	"lodge/domain/event"
)

// extPrefix begins a header's value in the form of RFC 8187: percent-encoded UTF-8, for clients whose headers take no other letters than ASCII's, as browsers do.
const extPrefix = "UTF-8''"

// parseReason returns why a call is made, or "" when nobody says. It is one line of UTF-8, as it is or after RFC 8187.
func parseReason(header http.Header) (string, error) {
	lines := header[HeaderReason]
	if len(lines) == 0 {
		return "", nil
	}
	malformed := func(why string) (string, error) {
		return "", domain.Errorf(domain.InvalidArgument, HeaderReason, "the header %s %s", HeaderReason, why)
	}
	if len(lines) > 1 {
		return malformed("is there more than once")
	}
	reason := strings.Trim(lines[0], " \t")
	if len(reason) >= len(extPrefix) && strings.EqualFold(reason[:len(extPrefix)], extPrefix) {
		decoded, err := url.PathUnescape(reason[len(extPrefix):])
		if err != nil {
			return malformed("is not percent-encoded as " + extPrefix + " promises")
		}
		reason = decoded
	}
	if err := CheckReason(reason); err != nil {
		return malformed(err.Error())
	}
	return reason, nil
}

// CheckReason says what is wrong with a reason, as in "is not UTF-8".
func CheckReason(reason string) error {
	switch {
	case len(reason) > event.ReasonMax:
		return fmt.Errorf("is longer than %d bytes", event.ReasonMax)
	case !utf8.ValidString(reason):
		return errors.New("is not UTF-8")
	case strings.ContainsFunc(reason, unicode.IsControl):
		return errors.New("has a control character")
	}
	return nil
}
