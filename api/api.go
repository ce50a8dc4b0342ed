package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"connectrpc.com/vanguard"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"lodge/api/access"
	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/api/openid"
	"lodge/api/trail"
	"lodge/commands"
	"lodge/commands/persons"
	"lodge/commands/process"
	"lodge/log"
	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/cache"
	"lodge/projections/eventindex"
	"lodge/projections/hotels"
	"lodge/projections/payments"
	"lodge/projections/reservations"
)

// Deps are what the surface stands on.
type Deps struct {
	Engine *commands.Engine   // takes the changes
	Log    Log                // events, and everything of the message queue
	Store  *projections.Store // answers the queries

	Scheduler log.Scheduler   // nil: calls about schedules are answered UNAVAILABLE
	Processes *process.Router // nil: calls about process managers are answered UNAVAILABLE
	Parts     []Part          // of the platform, beside the log and the read models, that have a health

	Trail *trail.Trail // takes what events do not tell; nil: nothing is recorded

	Persons *persons.Keys // opens who guests are; nil: events hold them as they were given, and nobody can be forgotten

	Access *access.Store // the tokens; nil: there are none, and calls about them are answered UNAVAILABLE

	Accounts *access.Accounts // who signs in; nil: nobody does, and calls about them are answered UNAVAILABLE

	OpenID *openid.Provider // whose word is taken for who somebody is; nil: nobody's. Needs Accounts

	Metrics prometheus.Registerer // nil: calls are not counted

	// Webhooks are what payment providers post their notifications to, by provider: at /webhooks/NAME. They look after signatures and limits themselves.
	Webhooks map[string]http.Handler
}

// Log is what the surface needs of the log. *broker.Broker has all of it.
type Log interface {
	log.Reader
	log.Writer
	log.Admin
	log.TopicChanger
	log.Coordinator
	log.GroupAdmin
	log.Queues
}

// Part tells of the health of one part. Check is called by several goroutines at once and must not wait.
type Part struct {
	Name  string
	Check func() (healthy bool, message string)
}

// API is the whole surface as one http.Handler. Safe for concurrent use.
type API struct {
	deps Deps
	opts Options

	hotels       *hotels.Queries
	availability *availability.Queries
	reservations *reservations.Queries
	payments     *payments.Queries
	index        *eventindex.Queries

	handler http.Handler
	hottest *fastPost    // also in handler, but asked before it
	cross   http.Handler // around both, for browsers at other origins; nil: they may not call
	gate    *gate        // nil: everybody may do everything, as often as they like
	audit   *auditor     // nil: nothing is recorded
	proxies proxies      // before us, that are trusted

	apps http.CrossOriginProtection // knows whose pages may call without a cookie

	cache    *cache.Cache // of what hotels have and are; told by the read models what to forget
	watchers watchers     // of hotels' nights

	consumers consumers  // the Consume streams that may commit
	queueing  sync.Mutex // held while a queue is made or changed

	ending    chan struct{} // closed by EndStreams
	endOnce   sync.Once
	streaming chan struct{} // a place for each open stream
	proofs    proofs        // who reads the whole log

	simulating chan struct{} // a place for a simulation of several hotels
}

// New makes the surface. It starts no goroutine.
func New(deps Deps, opts Options) (*API, error) {
	if deps.Engine == nil || deps.Log == nil || deps.Store == nil {
		return nil, errors.New("api: a dependency is missing")
	}
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	a := &API{
		deps:         deps,
		opts:         opts,
		hotels:       hotels.NewQueries(deps.Store),
		reservations: reservations.NewQueries(deps.Store),
		payments:     payments.NewQueries(deps.Store),
		index:        eventindex.NewQueries(deps.Store),
		ending:       make(chan struct{}),
		proofs:       make(proofs, 1),
		simulating:   make(chan struct{}, 1),
		streaming:    make(chan struct{}, opts.StreamsMax),
	}
	if deps.OpenID != nil && deps.Accounts == nil {
		return nil, errors.New("api: an OpenID provider needs accounts")
	}
	if opts.AuthRequired && deps.Access == nil {
		return nil, errors.New("api: callers are asked for tokens, and there are none")
	}
	a.proxies, _ = parseProxies(opts.TrustedProxies) // Validate has seen them
	a.gate = a.newGate()
	a.audit = a.newAuditor()
	if err := a.openCache(); err != nil {
		return nil, err
	}
	var err error
	if a.handler, err = a.routes(); err != nil {
		return nil, err
	}
	a.cross = a.crossOrigin()
	for _, origin := range append([]string{opts.PublicURL}, opts.CORSOrigins...) {
		_ = a.apps.AddTrustedOrigin(origin) // empty, any, or an origin: Validate has seen it
	}
	return a, nil
}

// nobodyElses keeps caches that several people share from keeping an answer: whom it is for need not show in the URL.
var nobodyElses = []string{"private"}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(a.proxies) > 0 {
		r = a.proxies.seen(r)
	}
	if err := a.foreign(r); err != nil {
		_ = a.refuse(w, r, err)
		a.audit.unrouted(r, r.URL.Path, unreached{connect.CodePermissionDenied, ReasonCrossOrigin})
		return
	}
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && a.gate != nil && a.gate.required {
		w.Header()["Cache-Control"] = nobodyElses
	}
	if a.cross != nil {
		a.cross.ServeHTTP(w, r)
		return
	}
	a.serve(w, r)
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	if a.hottest.takes(r) {
		a.hottest.ServeHTTP(w, r)
		return
	}
	a.handler.ServeHTTP(w, r)
}

// EndStreams ends every open stream with a retriable error and lets no new one in, so that a server can shut down.
func (a *API) EndStreams() { a.endOnce.Do(func() { close(a.ending) }) }

// services are the names of what is served, for reflection and health.
var services = []string{
	lodgev1connect.HotelServiceName, lodgev1connect.InventoryServiceName, lodgev1connect.AvailabilityServiceName,
	lodgev1connect.RateServiceName, lodgev1connect.ReservationServiceName, lodgev1connect.StayServiceName,
	lodgev1connect.PaymentServiceName, lodgev1connect.RoomServiceName, lodgev1connect.WaitingListServiceName, lodgev1connect.EventServiceName, lodgev1connect.AdminServiceName,
	lodgev1connect.MessageServiceName, lodgev1connect.GroupServiceName, lodgev1connect.QueueServiceName, lodgev1connect.ScheduleServiceName,
	lodgev1connect.ProofServiceName, lodgev1connect.ProcessServiceName, lodgev1connect.AccessServiceName, lodgev1connect.AuditServiceName,
	lodgev1connect.AccountServiceName, lodgev1connect.SessionServiceName, lodgev1connect.GuestServiceName,
}

// shapes are the messages whose shape rules are compiled when the surface is made rather than by the first caller.
var shapes = []proto.Message{
	&lodgev1.CreateReservationRequest{}, &lodgev1.GetReservationRequest{}, &lodgev1.GetAvailabilityRequest{},
	&lodgev1.SearchHotelsRequest{}, &lodgev1.SetInventoryRequest{}, &lodgev1.ConfirmReservationRequest{},
}

func (a *API) routes() (http.Handler, error) {
	validator, err := protovalidate.New(protovalidate.WithMessages(shapes...))
	if err != nil {
		return nil, fmt.Errorf("compile the shape rules: %w", err)
	}
	counted, err := newCalls(a.deps.Metrics)
	if err != nil {
		return nil, fmt.Errorf("count calls: %w", err)
	}
	var traces *tracing
	if a.opts.Tracer != nil {
		traces = &tracing{a.opts.Tracer}
	}
	e := &edge{tracing: traces, validator: validator, logger: a.opts.Logger, timeout: a.opts.CallTimeout, calls: counted, gate: a.gate, audit: a.audit}
	options := []connect.HandlerOption{
		connect.WithInterceptors(e),
		connect.WithReadMaxBytes(a.opts.MessageBytesMax),
		unpacked(a.opts.MessageBytesMax),
		connect.WithCompressMinBytes(a.opts.CompressMinBytes),
		connect.WithCodec(jsonCodec{"json"}),
		connect.WithCodec(jsonCodec{"json; charset=utf-8"}),
	}
	mux := http.NewServeMux()
	routed := make([]*vanguard.Service, 0, len(services))
	serve := func(path string, handler http.Handler) {
		mux.Handle(path, a.bounded(a.audit.unread(handler)))
		routed = append(routed, vanguard.NewService(path, handler))
	}
	serve(lodgev1connect.NewHotelServiceHandler(&hotelService{a}, options...))
	serve(lodgev1connect.NewInventoryServiceHandler(&inventoryService{a}, options...))
	serve(lodgev1connect.NewAvailabilityServiceHandler(&availabilityService{a}, options...))
	serve(lodgev1connect.NewRateServiceHandler(&rateService{a}, options...))
	path, reservations := lodgev1connect.NewReservationServiceHandler(&reservationService{a}, options...)
	a.hottest = &fastPost{service: &reservationService{a}, edge: e, connect: a.bounded(a.audit.unread(reservations)), errors: connect.NewErrorWriter(options...)}
	routed = append(routed, vanguard.NewService(path, a.hottest))
	mux.Handle(path, a.hottest)
	serve(lodgev1connect.NewPaymentServiceHandler(&paymentService{a}, options...))
	serve(lodgev1connect.NewStayServiceHandler(&stayService{a}, options...))
	serve(lodgev1connect.NewRoomServiceHandler(&roomService{a}, options...))
	serve(lodgev1connect.NewAccessServiceHandler(&accessService{a}, options...))
	serve(lodgev1connect.NewAccountServiceHandler(&accountService{a}, options...))
	serve(lodgev1connect.NewSessionServiceHandler(&sessionService{a}, options...))
	serve(lodgev1connect.NewAuditServiceHandler(&auditService{a}, options...))
	serve(lodgev1connect.NewGuestServiceHandler(&guestService{a}, options...))
	serve(lodgev1connect.NewWaitingListServiceHandler(&waitingListService{a}, options...))
	serve(lodgev1connect.NewEventServiceHandler(&eventService{a}, options...))
	serve(lodgev1connect.NewAdminServiceHandler(&adminService{a}, options...))
	serve(lodgev1connect.NewMessageServiceHandler(&messageService{a}, options...))
	serve(lodgev1connect.NewGroupServiceHandler(&groupService{a}, options...))
	serve(lodgev1connect.NewQueueServiceHandler(&queueService{a}, options...))
	serve(lodgev1connect.NewScheduleServiceHandler(&scheduleService{a}, options...))
	serve(lodgev1connect.NewProofServiceHandler(&proofService{a}, options...))
	serve(lodgev1connect.NewProcessServiceHandler(&processService{a}, options...))
	transcoder, err := vanguard.NewTranscoder(routed, vanguard.WithCodec(newRestCodec))
	if err != nil {
		return nil, fmt.Errorf("make the REST routes: %w", err)
	}
	mux.Handle("/v1/", &rest{next: transcoder, bodyMax: int64(a.opts.MessageBytesMax), audit: a.audit})
	a.routePlatform(mux, options)
	a.routePages(mux)
	a.routeOIDC(mux)
	a.routeOpenAPI(mux)
	return mux, nil
}

// routePlatform adds what tools expect of any such server.
func (a *API) routePlatform(mux *http.ServeMux, options []connect.HandlerOption) {
	reflector := grpcreflect.NewStaticReflector(append([]string{grpchealth.HealthV1ServiceName}, services...)...)
	mux.Handle(grpcreflect.NewHandlerV1(reflector, options...))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, options...))
	mux.Handle(grpchealth.NewHandler(checker{a}, options...))
	mux.HandleFunc("GET /healthz", a.serveHealthz)
	mux.HandleFunc("GET /readyz", a.serveReadyz)
	for provider, webhook := range a.deps.Webhooks {
		mux.Handle("POST /webhooks/"+provider, a.audit.posted(webhook))
	}
}

// stream takes a place among the open streams. The returned context also ends when the surface ends its streams; its cause
// is then errEnding. The caller calls done.
func (a *API) stream(ctx context.Context) (_ context.Context, done func(), err error) {
	select {
	case <-a.ending:
		return nil, nil, errEnding
	default:
	}
	select {
	case a.streaming <- struct{}{}:
	default:
		return nil, nil, log.NewError(log.LimitReached, "open stream", "%d streams are open already", a.opts.StreamsMax)
	}
	ctx, cancel := a.untilEnding(ctx)
	return ctx, func() {
		cancel()
		<-a.streaming
	}, nil
}

// errEnding is why streams end when the server does.
var errEnding = log.NewError(log.Unavailable, "stream", "the server is shutting down")
