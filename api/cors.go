package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	connectcors "connectrpc.com/cors"
	"github.com/rs/cors"
)

// preflightAge is how long a browser remembers what it may: the longest that Chromium takes.
const preflightAge = 2 * time.Hour

// anyOrigin lets apps of all origins call.
const anyOrigin = "*"

// crossOrigin returns the surface for browser apps at the origins of the options, over every protocol, or nil when there are none. Cookies are not let
// through: a token is in Authorization, which no browser adds by itself.
func (a *API) crossOrigin() http.Handler {
	if len(a.opts.CORSOrigins) == 0 {
		return nil
	}
	return cors.New(cors.Options{
		AllowedOrigins: a.opts.CORSOrigins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders: append(connectcors.AllowedHeaders(), "Authorization", HeaderIdempotencyKey, HeaderGuestEmail, HeaderCorrelationID, HeaderReason, HeaderPrefer, "Traceparent", "Tracestate"),
		ExposedHeaders: append(connectcors.ExposedHeaders(), HeaderPosition, HeaderReplayed, "Www-Authenticate"),
		MaxAge:         int(preflightAge.Seconds()),
	}).Handler(http.HandlerFunc(a.serve))
}

// validateOrigins refuses what no browser would send as its origin, and any origin where everybody may do everything: then every page that
// somebody at this machine opens could.
func (o Options) validateOrigins() error {
	for _, origin := range o.CORSOrigins {
		if origin == anyOrigin {
			if !o.AuthRequired {
				return fmt.Errorf("api: option CORSOrigins: %q needs callers that say who they are", origin)
			}
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme) || u.Scheme+"://"+u.Host != origin || origin != strings.ToLower(origin) || strings.Contains(origin, "*") {
			return fmt.Errorf("api: option CORSOrigins: %q is not an origin as in https://app.example", origin)
		}
	}
	return nil
}
