package api

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/domain/event"
)

// gated asks the gate before a page or a stream of server-sent events, as for the call that it stands for.
func (a *API) gated(procedure string, asked func(*http.Request) []proto.Message, next http.HandlerFunc) http.HandlerFunc {
	if a.gate == nil {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		c, err := a.gate.identify(ctx, r.Header, r.RemoteAddr)
		if err == nil && a.gate.required {
			for _, msg := range asked(r) {
				if err = a.gate.authorize(ctx, c, procedure, msg); err != nil {
					break
				}
			}
		}
		if err == nil {
			err = a.gate.while(ctx, c, func(ctx context.Context) error {
				next(w, r.WithContext(ctx))
				return nil
			})
			if err != nil {
				a.opts.Logger.DebugContext(ctx, "server-sent events ended", "error", err)
			}
			return
		}
		a.audit.refused(ctx, incoming{procedure: procedure, header: r.Header, addr: r.RemoteAddr}, err, a.refuse(w, r, err))
	}
}

// refuse answers a request that the gate does not let in, where there is no protocol to do so.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) *connect.Error {
	answer := translate(r.Context(), a.opts.Logger, r.URL.Path, nil, err)
	challenge(answer)
	for name, values := range answer.Meta() {
		w.Header()[name] = values
	}
	http.Error(w, answer.Message(), gateStatus(answer.Code()))
	return answer
}

func gateStatus(code connect.Code) int {
	switch code {
	case connect.CodeUnauthenticated:
		return http.StatusUnauthorized
	case connect.CodePermissionDenied:
		return http.StatusForbidden
	case connect.CodeResourceExhausted:
		return http.StatusTooManyRequests
	default:
		return http.StatusServiceUnavailable
	}
}

// askedEvents are the subscriptions that a request for server-sent events stands for.
func askedEvents(r *http.Request) (asked []proto.Message) {
	query := r.URL.Query()
	topics := query["topic"]
	if len(topics) == 0 {
		topics = []string{event.BookingsTopic} // and the platform's others
	}
	for _, topic := range topics {
		asked = append(asked, &lodgev1.SubscribeRequest{Topic: topic, Keys: query["hotel"]})
	}
	return asked
}

func askedAvailability(r *http.Request) []proto.Message {
	return []proto.Message{&lodgev1.WatchAvailabilityRequest{Hotel: r.URL.Query().Get("hotel")}}
}

func askedHotels(*http.Request) []proto.Message { return []proto.Message{&lodgev1.ListHotelsRequest{}} }
