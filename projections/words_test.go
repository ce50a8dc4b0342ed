package projections_test

import (
	"testing"

	"pgregory.net/rapid"

	"lodge/domain/eventpb"
	"lodge/projections"
)

// TestTextsComeBack: as they were given, or sealed; and what is neither makes no panic.
func TestTextsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.String().Draw(t, "text")
		if text, w := projections.ReadText(projections.TextOf(given, nil)); text != given || w != (projections.Words{}) {
			t.Fatalf("%q comes back as %q and %+v", given, text, w)
		}
		sealed := &eventpb.SealedWords{Key: rapid.Uint64Min(1).Draw(t, "key"), Sealed: rapid.SliceOf(rapid.Byte()).Draw(t, "sealed")}
		if text, w := projections.ReadText(projections.TextOf("", sealed)); text != "" || w.Key != sealed.GetKey() || w.Sealed != string(sealed.GetSealed()) {
			t.Fatalf("%v comes back as %q and %+v", sealed, text, w)
		}
		projections.ReadText("\xff" + string(rapid.SliceOf(rapid.Byte()).Draw(t, "anything")))
	})
}
