package api

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"lodge/api/front"
)

// Options sets up the surface. The zero value of a field means its default.
type Options struct {
	MessageBytesMax  int           // of one message that comes in: default 1 MiB, at most 64 MiB
	CompressMinBytes int           // answers shorter than this are not compressed: default 4 KiB
	CallTimeout      time.Duration // of a unary call that names no deadline: default 30 s, and 10 s more than FreshTimeout at least
	FreshTimeout     time.Duration // how long a query waits for min_position, and a change's answer for the read model: default 2 s
	HandoverTimeout  time.Duration // how long Consume waits for the caller's commit of a partition that goes to another member: default 3 s, at most 30 s
	StreamsMax       int           // open streams at a time: default 1024
	ScanMax          int           // events looked at for one page of ReadEvents: default 100,000; see scanCostMax
	PastEventsMax    int           // events of a hotel read to tell its past: default 500,000
	PastAnonymousMax int           // likewise, to callers who have not said who they are, where they are asked: default 20,000, at most PastEventsMax
	ListLookMax      int           // reservations that one page of a list with statuses or guest_query looks at, in each place where they lie: default 5,000
	QuoteTTL         time.Duration // how long a quote is good for: default 15 min
	QuoteKey         []byte        // secret that quotes are signed with, at least 16 bytes: default a random one, so that quotes end with the process
	CacheBytes       int           // of answers about hotels that are kept until something changes: default 64 MiB
	CacheTTL         time.Duration // how long they are kept at most: default 1 min
	ProofDir         string        // folder where audits of the log remember what they have proved: default none, so that each reads everything
	AuthRequired     bool          // callers say who they are by a token, and may do what the table of rules says
	PublicURL        string        // where browsers reach the surface, as in https://lodge.example: with https cookies are for TLS only; default: not known
	RateLimit        float64       // calls a second of one client, a token or an address: default any number
	RateBurst        int           // calls at once of one client: default RateLimit, rounded up
	GuestLimit       float64       // rooms a second that guests of one address, or account, reserve by themselves, with AuthRequired: default any number
	GuestBurst       int           // rooms at once: default GuestLimit, rounded up
	TrustedProxies   []string      // addresses and CIDRs of proxies whose X-Forwarded-For says who calls, at most 64: default none
	CORSOrigins      []string      // of browser apps that may call, as in https://app.example: default none; "*", any, only with AuthRequired
	PaymentProviders []string      // that payments may go to, the first unless a request names another: default simulator
	Tracer           trace.Tracer  // tells of calls in traces, as their callers' or of their own: default none
	Clock            func() time.Time
	Logger           *slog.Logger // default slog.Default()
}

// secure reports whether browsers reach the surface over TLS, here or at a proxy before it.
func (o Options) secure() bool { return strings.HasPrefix(o.PublicURL, "https://") }

func (o Options) withDefaults() Options {
	o.MessageBytesMax = cmp.Or(o.MessageBytesMax, 1<<20)
	o.CompressMinBytes = cmp.Or(o.CompressMinBytes, 4<<10)
	o.FreshTimeout = cmp.Or(o.FreshTimeout, 2*time.Second)
	o.CallTimeout = cmp.Or(o.CallTimeout, max(30*time.Second, o.FreshTimeout+10*time.Second))
	o.HandoverTimeout = cmp.Or(o.HandoverTimeout, 3*time.Second)
	o.StreamsMax = cmp.Or(o.StreamsMax, 1024)
	o.ScanMax = cmp.Or(o.ScanMax, 100_000)
	o.PastEventsMax = cmp.Or(o.PastEventsMax, 500_000)
	o.PastAnonymousMax = min(cmp.Or(o.PastAnonymousMax, 20_000), o.PastEventsMax)
	o.ListLookMax = cmp.Or(o.ListLookMax, 5_000)
	o.QuoteTTL = cmp.Or(o.QuoteTTL, 15*time.Minute)
	o.CacheBytes = cmp.Or(o.CacheBytes, 64<<20)
	o.CacheTTL = cmp.Or(o.CacheTTL, time.Minute)
	if len(o.QuoteKey) == 0 {
		o.QuoteKey = []byte(rand.Text())
	}
	if len(o.PaymentProviders) == 0 {
		o.PaymentProviders = []string{"simulator"}
	}
	o.RateBurst = cmp.Or(o.RateBurst, int(math.Ceil(o.RateLimit)))
	o.GuestBurst = cmp.Or(o.GuestBurst, int(math.Ceil(o.GuestLimit)))
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Validate returns an error that names the first option out of its range. Zero values are defaults and valid.
func (o Options) Validate() error {
	o = o.withDefaults()
	for _, r := range []struct {
		name  string
		value float64
	}{{"RateLimit", o.RateLimit}, {"GuestLimit", o.GuestLimit}} {
		if !(r.value >= 0 && r.value <= rateLimitMax) {
			return fmt.Errorf("api: option %s: %v is not in [0, %d]", r.name, r.value, rateLimitMax)
		}
	}
	if _, err := parseProxies(o.TrustedProxies); err != nil {
		return err
	}
	if u, err := url.Parse(o.PublicURL); o.PublicURL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != o.PublicURL) {
		return fmt.Errorf("api: option PublicURL: %.200q is not scheme and host, as in https://lodge.example", o.PublicURL)
	}
	for _, r := range []struct {
		name             string
		value, low, high int64
	}{
		{"MessageBytesMax", int64(o.MessageBytesMax), 1 << 10, 64 << 20},
		{"CompressMinBytes", int64(o.CompressMinBytes), 1, 1 << 30},
		{"CallTimeout", int64(o.CallTimeout), int64(time.Millisecond), int64(time.Hour)},
		{"FreshTimeout", int64(o.FreshTimeout), int64(time.Millisecond), int64(time.Minute)},
		{"HandoverTimeout", int64(o.HandoverTimeout), int64(time.Millisecond), int64(consumeRebalance / 2)},
		{"RateBurst", int64(o.RateBurst), 0, rateLimitMax},
		{"GuestBurst", int64(o.GuestBurst), 0, rateLimitMax},
		{"QuoteTTL", int64(o.QuoteTTL), int64(time.Second), int64(24 * time.Hour)},
		{"CacheBytes", int64(o.CacheBytes), 1, 1 << 40},
		{"CacheTTL", int64(o.CacheTTL), 1, int64(24 * time.Hour)},
		{"length of QuoteKey", int64(len(o.QuoteKey)), quoteKeyMin, 1 << 10},
		{"StreamsMax", int64(o.StreamsMax), 1, 1 << 20},
		{"ScanMax", int64(o.ScanMax), 1, 1 << 30},
		{"PastEventsMax", int64(o.PastEventsMax), 1, 1 << 30},
		{"PastAnonymousMax", int64(o.PastAnonymousMax), 1, 1 << 30},
		{"ListLookMax", int64(o.ListLookMax), 1, 1 << 20},
	} {
		if r.value < r.low || r.value > r.high {
			return fmt.Errorf("api: option %s: %d is not in [%d, %d]", r.name, r.value, r.low, r.high)
		}
	}
	return o.validateOrigins()
}

const rateLimitMax = 1_000_000

// The limits of NewServer.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	headerBytesMax = 64 << 10
)

// NewServer returns a server for the surface: HTTP/1.1 and HTTP/2 without TLS on the same port, limits on headers and idle
// connections, and streams that end when it shuts down. No limit on how long an answer takes, because streams last.
func NewServer(a *API) *http.Server {
	s := &http.Server{
		Handler:           a,
		ConnContext:       ConnContext,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytesMax,
		Protocols:         new(http.Protocols),
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	s.RegisterOnShutdown(a.EndStreams)
	return s
}

// Listen returns a listener for that server which answers the hottest call itself and hands on every other connection. It accepts from inner, without TLS, until it is closed.
// After the server has shut down, call its Wait.
func Listen(a *API, inner net.Listener) *front.Listener {
	return front.Listen(inner, a, front.Options{
		Takes:       func(r *http.Request) bool { return a.hottest.takes(r) && plainForm(r) != nil },
		ConnContext: ConnContext,
		HeadTimeout: headerTimeout,
		IdleTimeout: idleTimeout,
		Logger:      a.opts.Logger,
	})
}
