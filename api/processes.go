package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	lodgev1 "lodge/api/gen/lodge/v1"
	"lodge/commands/process"
	"lodge/domain"
	"lodge/domain/event"
)

// The reasons of process managers.
const (
	ReasonLetterNotFound  = "LETTER_NOT_FOUND"
	ReasonProcessNotFound = "PROCESS_NOT_FOUND"
)

const (
	processesPrefix = "processes/"
	lettersPrefix   = "letters/"
)

// processService serves process managers and what they gave up on.
type processService struct{ *API }

// processes returns who runs the process managers, if anybody does.
func (s *processService) processes() (*process.Router, error) {
	if s.deps.Processes == nil {
		return nil, newError(connect.CodeUnavailable, ReasonUnavailable, "this server runs without process managers", nil)
	}
	return s.deps.Processes, nil
}

// ListProcesses lists the process managers by name.
func (s *processService) ListProcesses(ctx context.Context, _ *connect.Request[lodgev1.ListProcessesRequest]) (*connect.Response[lodgev1.ListProcessesResponse], error) {
	router, err := s.processes()
	if err != nil {
		return nil, err
	}
	all, err := router.Handlers(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b process.HandlerStatus) int { return cmp.Compare(a.Name, b.Name) })
	res := &lodgev1.ListProcessesResponse{}
	for i := range all {
		res.Processes = append(res.Processes, toProcess(&all[i]))
	}
	return connect.NewResponse(res), nil
}

func toProcess(h *process.HandlerStatus) *lodgev1.Process {
	m := &lodgev1.Process{
		Name: processesPrefix + h.Name, Topic: string(h.Topic), EventTypes: h.Types, Group: string(h.Group),
		HandledCount: h.Handled, RetriedCount: h.Retried, PoisonedCount: h.Poisoned, PanicCount: h.Panics, Lag: h.Lag, LastError: h.LastError,
	}
	if !h.FailingSince.IsZero() {
		m.FailingSinceTime = timestamppb.New(h.FailingSince)
	}
	return m
}

// GetLetter returns one letter.
func (s *processService) GetLetter(ctx context.Context, req *connect.Request[lodgev1.GetLetterRequest]) (*connect.Response[lodgev1.Letter], error) {
	return s.letter(req.Msg.GetName(), func(r *process.Router, id string) (*process.Letter, error) { return r.Letter(ctx, id) })
}

// RequeueLetter gives a letter to its process manager again.
func (s *processService) RequeueLetter(ctx context.Context, req *connect.Request[lodgev1.RequeueLetterRequest]) (*connect.Response[lodgev1.Letter], error) {
	return s.letter(req.Msg.GetName(), func(r *process.Router, id string) (*process.Letter, error) { return r.Requeue(ctx, id) })
}

// letter answers a call about one letter.
func (s *processService) letter(name string, call func(*process.Router, string) (*process.Letter, error)) (*connect.Response[lodgev1.Letter], error) {
	router, err := s.processes()
	if err != nil {
		return nil, err
	}
	id, err := parseLetter(name)
	if err != nil {
		return nil, err
	}
	l, err := call(router, id)
	if err != nil {
		return nil, ofLetters(err)
	}
	return connect.NewResponse(toLetter(l)), nil
}

// DeleteLetter discards a letter.
func (s *processService) DeleteLetter(ctx context.Context, req *connect.Request[lodgev1.DeleteLetterRequest]) (*connect.Response[emptypb.Empty], error) {
	router, err := s.processes()
	if err != nil {
		return nil, err
	}
	id, err := parseLetter(req.Msg.GetName())
	if err != nil {
		return nil, err
	}
	if err := router.Discard(ctx, id); err != nil {
		return nil, ofLetters(err)
	}
	return connect.NewResponse(&emptypb.Empty{}), nil
}

// ListLetters lists letters by name.
func (s *processService) ListLetters(ctx context.Context, req *connect.Request[lodgev1.ListLettersRequest]) (*connect.Response[lodgev1.ListLettersResponse], error) {
	router, err := s.processes()
	if err != nil {
		return nil, err
	}
	var chosen process.LetterFilter
	if given := req.Msg.GetProcess(); given != "" {
		var ok bool
		if chosen.Handler, ok = strings.CutPrefix(given, processesPrefix); !ok {
			return nil, badName(given, "process", "processes/{process}")
		}
		if err := domain.ValidateID(chosen.Handler, "process"); err != nil {
			return nil, err
		}
	}
	if req.Msg.GetHotel() != "" {
		if chosen.Hotel, err = parseHotel(req.Msg.GetHotel(), "hotel"); err != nil {
			return nil, err
		}
	}
	token, err := parsePageToken(req.Msg, req.Msg.GetPageToken(), 1)
	if err != nil {
		return nil, err
	}
	after := ""
	if token != nil {
		after = token[0]
	}
	found, err := router.LettersOf(ctx, chosen, after, pageSize(req.Msg.GetPageSize()))
	if err != nil {
		return nil, err
	}
	res := &lodgev1.ListLettersResponse{}
	for i := range found {
		res.Letters = append(res.Letters, toLetter(&found[i]))
		res.NextPageToken = newPageToken(req.Msg, found[i].ID)
	}
	return connect.NewResponse(res), nil
}

func toLetter(l *process.Letter) *lodgev1.Letter {
	m := &lodgev1.Letter{
		Name: lettersPrefix + l.ID, State: lodgev1.Letter_STATE_WAITING, Process: processesPrefix + l.Handler, Position: l.Position.String(),
		EventType: l.Header(event.HeaderType), Key: l.Key, Value: l.Value, Headers: toHeaders(l.Headers), Error: l.Error, AttemptCount: int32(l.Attempts),
		FailureTime: timestamppb.New(l.FailureTime),
	}
	if l.State == process.LetterRequeued {
		m.State = lodgev1.Letter_STATE_REQUEUED
	}
	return m
}

// parseLetter returns the id in letters/{letter}.
func parseLetter(name string) (string, error) {
	id, ok := strings.CutPrefix(name, lettersPrefix)
	if !ok || id == "" {
		return "", badName(name, "name", "letters/{letter}")
	}
	return id, nil
}

// noLetter says that there is no such letter, or that it is another hotel's.
func noLetter(id string) error {
	return domain.Errorf(ReasonLetterNotFound, "name", "there is no letter %.200s: it was handled or discarded, or never was", id)
}

// ofLetters gives errors about letters their reasons.
func ofLetters(err error) error {
	var missing *process.LetterNotFoundError
	var unknown *process.UnknownHandlerError
	switch {
	case errors.As(err, &missing):
		return noLetter(missing.ID)
	case errors.As(err, &unknown):
		return domain.Errorf(ReasonProcessNotFound, "", "this server has no process manager %s; the letter stays", unknown.Handler)
	}
	return err
}
