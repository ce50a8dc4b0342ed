package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"lodge/api/access"
)

// headerForwardedFor names, one after the other, for whom proxies pass a request on: each adds the address that asked it.
const headerForwardedFor = "X-Forwarded-For"

// proxiesMax is how many prefixes there are of trusted proxies.
const proxiesMax = 64

// proxies are the addresses whose word is taken for whom they pass a request on.
type proxies []netip.Prefix

// parseProxies reads addresses and CIDRs.
func parseProxies(texts []string) (proxies, error) {
	if len(texts) > proxiesMax {
		return nil, fmt.Errorf("api: option TrustedProxies: %d are more than %d", len(texts), proxiesMax)
	}
	trusted := make(proxies, 0, len(texts))
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if ip, alone := netip.ParseAddr(text); alone == nil && ip.Zone() == "" {
			prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("api: option TrustedProxies: %.100q is neither an address nor a CIDR, as in 10.0.0.7 or 10.0.0.0/8", text)
		case prefix.Addr().Is4In6():
			return nil, fmt.Errorf("api: option TrustedProxies: %q is IPv4 written as IPv6: leave ::ffff: out", text)
		case prefix.Bits() == 0:
			return nil, fmt.Errorf("api: option TrustedProxies: %q is everybody: then no address is a client's", text)
		case prefix != prefix.Masked():
			return nil, fmt.Errorf("api: option TrustedProxies: %q has bits behind its mask: it is %s, or %s alone", text, prefix.Masked(), prefix.Addr())
		}
		trusted = append(trusted, prefix)
	}
	return trusted, nil
}

func (p proxies) trust(ip netip.Addr) bool {
	return slices.ContainsFunc(p, func(prefix netip.Prefix) bool { return prefix.Contains(ip) })
}

// seen returns a request as its client made it: from the client's address in place of a trusted proxy's. Port 0: the client's is not known.
func (p proxies) seen(r *http.Request) *http.Request {
	if peer, ok := access.IPOf(r.RemoteAddr); !ok || !p.trust(peer) {
		return r
	}
	client, ok := p.client(r.Header[headerForwardedFor])
	if !ok {
		return r
	}
	r = r.WithContext(r.Context()) // a copy
	r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
	return r
}

// client returns the rightmost address that is no trusted proxy. A trusted one has written it; whatever is left of it the client may have made up. What cannot be read on the way there: nobody is vouched for.
func (p proxies) client(lists []string) (netip.Addr, bool) {
	for _, list := range slices.Backward(lists) {
		for more := true; more; {
			comma := strings.LastIndexByte(list, ',')
			ip, ok := forwardedIP(list[comma+1:])
			if !ok || !p.trust(ip) {
				return ip, ok
			}
			if more = comma >= 0; more {
				list = list[:comma]
			}
		}
	}
	return netip.Addr{}, false
}

// forwardedIP reads one address of X-Forwarded-For: bare, in brackets, or with a port, which some proxies add.
func forwardedIP(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if bare, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(bare, "]") {
		ip, err := netip.ParseAddr(strings.TrimSuffix(bare, "]"))
		return ip.WithZone(""), err == nil && ip.Is6()
	}
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Unmap().WithZone(""), true
	}
	return access.IPOf(text)
}
