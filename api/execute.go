package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lodge/commands"
	"lodge/domain"
	"lodge/domain/event"
	"lodge/domain/hotel"
	"lodge/log"
)

// execute carries out a change and says in the answer's headers where the log has it.
func (a *API) execute(ctx context.Context, c call, body hotel.Command, answer http.Header) (commands.Result, error) {
	result, err := a.do(ctx, c, body)
	if err == nil {
		say(answer, result)
	}
	return result, err
}

// do carries out a change.
func (a *API) do(ctx context.Context, c call, body hotel.Command) (commands.Result, error) {
	return a.deps.Engine.Execute(ctx, commands.Command{
		RequestID:     c.requestID,
		Time:          c.time,
		CorrelationID: c.correlationID,
		Actor:         c.actor,
		Reason:        c.reason,
		Body:          body,
	})
}

// say puts into the answer's headers where the log has a change, and whether it was answered before.
func say(answer http.Header, result commands.Result) {
	answer[HeaderPosition] = []string{positionText(result.Position)} // the names are canonical
	if result.Replayed {
		answer[HeaderReplayed] = []string{"true"}
	}
}

// positionText is Position.String without its formatting machinery, for every change has one.
func positionText(p log.Position) string {
	b := append(make([]byte, 0, 48), p.Topic...)
	b = append(b, '/')
	b = strconv.AppendInt(b, int64(p.Partition), 10)
	b = append(b, '@')
	return string(strconv.AppendInt(b, int64(p.Offset), 10))
}

// lastEvent returns the last event of a result, or nil when the command changed nothing.
func lastEvent(r commands.Result) *event.Envelope {
	if len(r.Events) == 0 {
		return nil
	}
	return r.Events[len(r.Events)-1]
}

// only returns the event that a command must have led to, and what it says.
func only[M any](r commands.Result) (e *event.Envelope, m M, err error) {
	if e = lastEvent(r); e == nil {
		return nil, m, fmt.Errorf("a command that leads to a %T gave no event", m)
	}
	m, ok := e.Message.(M)
	if !ok {
		return nil, m, fmt.Errorf("a command that leads to a %T gave a %s at %s", m, e.Type, r.Position)
	}
	return e, m, nil
}

// toEtag makes an etag of a version; fromEtag reads one, 0 when it is empty.
func toEtag(version int64) string { return strconv.FormatInt(version, 10) }

func fromEtag(etag string) (int64, error) {
	if etag == "" {
		return 0, nil
	}
	version, err := strconv.ParseInt(etag, 10, 64)
	if err != nil || version <= 0 {
		return 0, domain.Errorf(domain.EtagMismatch, "etag", "%.40q is not an etag of this resource", etag)
	}
	return version, nil
}

// maskedFields returns which of the fields that can be changed a mask selects: all with a value when it is empty, all when
// it is "*". A path that is none of them is refused.
func maskedFields(mask *fieldmaskpb.FieldMask, resource proto.Message, changeable ...string) (map[string]bool, error) {
	selected := make(map[string]bool, len(changeable))
	m := resource.ProtoReflect()
	for _, name := range changeable {
		if len(mask.GetPaths()) == 0 && m.Has(m.Descriptor().Fields().ByName(protoreflect.Name(name))) {
			selected[name] = true
		}
	}
	for _, path := range mask.GetPaths() {
		if !selectPath(selected, path, changeable) {
			return nil, domain.Errorf(ReasonInvalidFieldMask, "update_mask", "%.80q is not one of the fields that can be changed: %v", path, changeable)
		}
	}
	if len(selected) == 0 {
		return nil, domain.Errorf(ReasonInvalidFieldMask, "update_mask", "nothing is to be changed; the fields that can be are %v", changeable)
	}
	return selected, nil
}

func selectPath(selected map[string]bool, path string, changeable []string) (known bool) {
	for _, name := range changeable {
		if path == name || path == "*" {
			selected[name], known = true, true
		}
	}
	return known
}

// when returns a pointer to value when the field is selected, else nil.
func when[T any](selected bool, value T) *T {
	if !selected {
		return nil
	}
	return &value
}
