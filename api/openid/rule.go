package openid

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"lodge/api/access"
	"lodge/domain"
)

// Rule says what somebody is whose claim has a value.
type Rule struct {
	Value  string
	Role   access.Role
	Hotels []string // of staff
}

// ParseRule reads VALUE=ROLE, or VALUE=staff:HOTEL,HOTEL.
func ParseRule(text string) (Rule, error) {
	at := strings.LastIndexByte(text, '=')
	if at <= 0 {
		return Rule{}, fmt.Errorf("%.100q is not VALUE=ROLE", text)
	}
	role, hotels, named := strings.Cut(text[at+1:], ":")
	r := Rule{Value: text[:at], Role: access.Role(role)}
	switch r.Role {
	case access.Admin, access.Service, access.Staff, access.Guest:
	default:
		return Rule{}, fmt.Errorf("%.40q is not admin, service, staff or guest", role)
	}
	if named != (r.Role == access.Staff) {
		return Rule{}, fmt.Errorf("%.100q: staff work in hotels, as in staff:ritz,savoy, and nobody else", text)
	}
	if named {
		r.Hotels = strings.Split(hotels, ",")
	}
	if len(r.Hotels) > access.HotelsMax {
		return Rule{}, fmt.Errorf("more than %d hotels", access.HotelsMax)
	}
	for _, id := range r.Hotels {
		if err := domain.ValidateID(id, "hotel"); err != nil {
			return Rule{}, err
		}
	}
	return r, nil
}

// String writes the rule as ParseRule reads it.
func (r Rule) String() string {
	if r.Role != access.Staff {
		return r.Value + "=" + string(r.Role)
	}
	return r.Value + "=" + string(r.Role) + ":" + strings.Join(r.Hotels, ",")
}

// roleOf returns what somebody with these claims is: what the first rule of the strongest role says, staff of the hotels of all rules that fit; without any, a guest.
func roleOf(rules []Rule, claim string, claims map[string]json.RawMessage) (role access.Role, hotels []string) {
	values := claimValues(claims[claim])
	role = access.Guest
	for _, wanted := range []access.Role{access.Admin, access.Service, access.Staff} {
		for _, r := range rules {
			if r.Role == wanted && slices.Contains(values, r.Value) {
				role, hotels = wanted, append(hotels, r.Hotels...)
			}
		}
		if role != access.Guest {
			break
		}
	}
	slices.Sort(hotels)
	hotels = slices.Compact(hotels)
	return role, hotels[:min(len(hotels), access.HotelsMax)]
}

// claimValues returns the values of a claim: a string, a list of them, or the names of an object.
func claimValues(raw json.RawMessage) (values []string) {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	if json.Unmarshal(raw, &values) == nil {
		return values
	}
	var named map[string]json.RawMessage
	if json.Unmarshal(raw, &named) == nil {
		for name := range named {
			values = append(values, name)
		}
		return values
	}
	return nil
}
