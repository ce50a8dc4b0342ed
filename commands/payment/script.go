package payment

import (
	"strings"
	"time"
)

// lateMax bounds the durations that a payment method may name.
const lateMax = 24 * time.Hour

// unreachableAttempts is how many requests are lost before one arrives.
const unreachableAttempts = 2

// script is what a payment method makes the simulator do with a charge or a refund.
type script struct {
	loseRequests int           // so many requests never arrive
	loseAnswer   bool          // of the request that arrives
	late         bool          // decided later
	after        time.Duration // then; 0: SimulatorOptions.LateAfter
	notify       int           // notifications when it is decided
	once         bool          // approved for the first charge of a reservation only
	code         string        // declined with this; empty: approved
}

// parseMethod reads a payment method as the package's comment describes. ok is false for any other text.
func parseMethod(method string) (charge, refund script, ok bool) {
	rest, found := strings.CutPrefix(method, "tok_")
	if !found {
		return script{}, script{}, false
	}
	first, second, both := strings.Cut(rest, "_refund_")
	if charge, ok = parseScript(first); !ok {
		return script{}, script{}, false
	}
	if both {
		if refund, ok = parseScript(second); !ok {
			return script{}, script{}, false
		}
	}
	return charge, refund, true
}

// parseScript reads words joined by "_": modifiers, then approve or decline with its code.
func parseScript(text string) (s script, ok bool) {
	words := strings.Split(text, "_")
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "approve":
			return s, i == len(words)-1
		case "decline":
			s.code = strings.Join(words[i+1:], "_")
			if s.code == "" {
				s.code = "card_declined"
			}
			return s, isCode(s.code)
		case "timeout":
			s.loseAnswer = true
		case "unreachable":
			s.loseRequests = unreachableAttempts
		case "twice":
			s.notify = 2
		case "once":
			s.once = true
		case "late":
			s.late, s.notify = true, max(s.notify, 1)
			if i+1 < len(words) {
				if d, err := time.ParseDuration(words[i+1]); err == nil {
					if d <= 0 || d > lateMax {
						return script{}, false
					}
					s.after, i = d, i+1
				}
			}
		default:
			return script{}, false
		}
	}
	return s, true
}

func isCode(s string) bool {
	for _, c := range []byte(s) {
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(s) <= CodeMax
}
