package event_test

import (
	"errors"
	"regexp"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"lodge/domain/event"
	"lodge/domain/eventpb"
)

// parts are the messages of events.proto that are no events, but parts of some.
var parts = []protoreflect.Name{
	"Money", "Hotel", "Address", "RoomType", "Room", "Stay", "Guest", "BrokenRestriction", "Tax", "Charge", "RatePlan", "DefaultRate",
	"CancellationTerms", "CancellationFee", "Terms", "Settlement", "SealedWords",
}

// TestEveryEventIsRegistered fails when a message is added to events.proto and forgotten here.
func TestEveryEventIsRegistered(t *testing.T) {
	registered := map[protoreflect.FullName]bool{}
	for _, kind := range event.Kinds() {
		registered[kind.New().ProtoReflect().Descriptor().FullName()] = true
	}
	messages := eventpb.File_lodge_events_v1_events_proto.Messages()
	for i := range messages.Len() {
		m := messages.Get(i)
		if want := !slices.Contains(parts, m.Name()); registered[m.FullName()] != want {
			t.Errorf("%s: registered is %v, want %v", m.FullName(), !want, want)
		}
		delete(registered, m.FullName())
	}
	if len(registered) > 0 {
		t.Errorf("registered but not in events.proto: %v", registered)
	}
}

func TestKinds(t *testing.T) {
	wellFormed := regexp.MustCompile(`^lodge\.[a-z_]+\.[a-z_]+\.v[1-9][0-9]*$`)
	topics := []string{event.HotelsTopic, event.InventoryTopic, event.BookingsTopic, event.PaymentsTopic}
	for _, kind := range event.Kinds() {
		m := kind.New()
		if !wellFormed.MatchString(kind.Type) || !slices.Contains(topics, kind.Topic) {
			t.Errorf("%s in topic %s is malformed", kind.Type, kind.Topic)
		}
		if event.TypeOf(m) != kind.Type || event.TopicOf(m) != kind.Topic || event.HotelOf(m) != "" {
			t.Errorf("%T is %s in %s of %q", m, event.TypeOf(m), event.TopicOf(m), event.HotelOf(m))
		}
	}
	stay := &eventpb.Stay{}
	if event.TypeOf(stay) != "" || event.TopicOf(stay) != "" || event.HotelOf(stay) != "" {
		t.Error("a part passes for an event")
	}
}

func TestRegistryRefusesDuplicates(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two kinds of one type were taken")
		}
	}()
	kind := event.Kind{Type: "a", New: func() proto.Message { return new(eventpb.Stay) }}
	event.NewRegistry(kind, kind)
}

// versions is a registry in which events were once stored as Address (v1: the street was a whole line), then as Guest (v2), and are
// now a Hotel (v3).
func versions() *event.Registry {
	return event.NewRegistry(
		event.Kind{
			Type: "test.place.v1", Topic: "hotels", New: func() proto.Message { return new(eventpb.Address) },
			Upcast: func(old proto.Message) (proto.Message, error) {
				if old.(*eventpb.Address).Street == "" {
					return nil, errors.New("there is no street")
				}
				return &eventpb.Guest{DisplayName: old.(*eventpb.Address).Street}, nil
			},
		},
		event.Kind{
			Type: "test.place.v2", Topic: "hotels", New: func() proto.Message { return new(eventpb.Guest) },
			Upcast: func(old proto.Message) (proto.Message, error) {
				return &eventpb.HotelCreated{Hotel: &eventpb.Hotel{HotelId: "grand", DisplayName: old.(*eventpb.Guest).DisplayName}}, nil
			},
		},
		event.Kind{Type: "test.place.v3", Topic: "hotels", New: func() proto.Message { return new(eventpb.HotelCreated) }},
	)
}

func TestOldVersionsAreUpcastStepByStep(t *testing.T) {
	registry := versions()
	value, err := proto.Marshal(&eventpb.Address{Street: "Rua Augusta"})
	if err != nil {
		t.Fatal(err)
	}
	_, header := stored(t, typicalEnvelope())
	old := func(key string) []byte {
		if key == event.HeaderType {
			return []byte("test.place.v1")
		}
		return header(key)
	}
	e, err := registry.Decode(value, old)
	if err != nil {
		t.Fatal(err)
	}
	hotel, ok := e.Message.(*eventpb.HotelCreated)
	if !ok || hotel.Hotel.DisplayName != "Rua Augusta" {
		t.Fatalf("upcast to %v", e.Message)
	}
	if e.Type != "test.place.v1" || e.HotelID != "grand" {
		t.Errorf("type %s of hotel %q; want the stored type and the new message's hotel", e.Type, e.HotelID)
	}
}

func TestFailedUpcastIsMalformed(t *testing.T) {
	if _, err := versions().DecodeMessage("test.place.v1", nil); !errors.Is(err, event.ErrMalformed) {
		t.Errorf("error %v, want ErrMalformed", err)
	}
	if _, err := versions().DecodeMessage("test.place.v9", nil); !errors.Is(err, event.ErrUnknownType) {
		t.Errorf("error %v, want ErrUnknownType", err)
	}
}
