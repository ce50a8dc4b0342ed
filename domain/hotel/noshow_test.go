package hotel

import (
	"testing"

	"lodge/domain/eventpb"
)

// Terms that say nothing of guests who never come mean that they canceled too late; a fee of nothing is one that was said.
func TestNoShowFeeIsTheFeeUnlessAnotherIsSaid(t *testing.T) {
	amount := func(n int64) *eventpb.CancellationFee {
		return &eventpb.CancellationFee{Kind: eventpb.CancellationFeeKind_CANCELLATION_FEE_KIND_AMOUNT, Amount: n}
	}
	for name, c := range map[string]struct {
		terms *eventpb.CancellationTerms
		want  int64
	}{
		"nothing said":      {&eventpb.CancellationTerms{Fee: amount(40)}, 40},
		"another said":      {&eventpb.CancellationTerms{Fee: amount(40), NoShowFee: amount(90)}, 90},
		"said to be no fee": {&eventpb.CancellationTerms{Fee: amount(40), NoShowFee: amount(0)}, 0},
		"no terms":          {nil, 0},
	} {
		var r reservation
		under := termsOf("", c.terms)
		if r.setPrice(&under, []int64{100}, 100); r.noShowFee != c.want {
			t.Errorf("%s: %d, want %d", name, r.noShowFee, c.want)
		}
	}
}
