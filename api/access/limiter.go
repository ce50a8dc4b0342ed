package access

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// ClientsMax is how many clients a Limiter remembers. Who was not heard of for longest is forgotten first, and begins anew.
const ClientsMax = 1 << 16

// Limiter says how often each client may call: rate a second in the long run, burst at once. Safe for concurrent use.
type Limiter struct {
	rate  rate.Limit
	burst int
	max   int

	mu      sync.Mutex
	clients map[string]*list.Element // of *client
	recent  *list.List               // the last heard of first
}

type client struct {
	name   string
	bucket *rate.Limiter
}

// NewLimiter makes a limiter. Both arguments are positive.
func NewLimiter(perSecond float64, burst int) *Limiter {
	return &Limiter{rate: rate.Limit(perSecond), burst: burst, max: ClientsMax, clients: map[string]*list.Element{}, recent: list.New()}
}

// Allow counts a call of a client and reports whether it may be made now; if not, when to try again.
func (l *Limiter) Allow(name string, now time.Time) (wait time.Duration, ok bool) {
	return l.AllowN(name, 1, now)
}

// AllowN is Allow for what counts as n calls, n >= 0. More than a burst counts as a burst, or it could never be made.
func (l *Limiter) AllowN(name string, n int, now time.Time) (wait time.Duration, ok bool) {
	b, n := l.bucket(name), min(n, l.burst)
	if b.AllowN(now, n) {
		return 0, true
	}
	missing := max(float64(n)-b.TokensAt(now), 0)
	return time.Duration(missing / float64(l.rate) * float64(time.Second)), false
}

// giveBack undoes an Allow, whatever was counted since: rate.Reservation.CancelAt would not, once as many have come as the bucket fills by.
func (l *Limiter) giveBack(name string, now time.Time) { l.bucket(name).AllowN(now, -1) }

func (l *Limiter) bucket(name string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.clients[name]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*client).bucket
	}
	if l.recent.Len() >= l.max {
		last := l.recent.Back()
		delete(l.clients, l.recent.Remove(last).(*client).name)
	}
	c := &client{name, rate.NewLimiter(l.rate, l.burst)}
	l.clients[name] = l.recent.PushFront(c)
	return c.bucket
}

// ClientOf names the client at an address, as in net.Addr.String: an IPv4 address, or the /64 of an IPv6 one, since a subscriber has all of that.
func ClientOf(addr string) string {
	ip, ok := IPOf(addr)
	if !ok {
		return addr
	}
	if ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

// IPOf returns the address in a host and port, as in net.Addr.String, without its zone. false: it has none.
func IPOf(addr string) (netip.Addr, bool) {
	at, err := netip.ParseAddrPort(addr)
	return at.Addr().Unmap().WithZone(""), err == nil
}
