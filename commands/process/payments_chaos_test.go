package process_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"lodge/domain"
	"lodge/domain/hotel"
	"lodge/log"
)

var (
	seed   = flag.Uint64("seed", 0, "of the random tests; 0: another one each time")
	stride = flag.Int("kill-stride", 4, "one of so many kills is tried; 1: all")
)

// random returns dice whose seed is printed.
func random(t testing.TB) *rand.Rand {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("-seed %d", s)
	return rand.New(rand.NewPCG(s, 1))
}

// chaos is a world in which many guests and a moody provider do as the dice say, and the process dies again and again.
type chaos struct {
	*world
	reservations int
	payments     int
	kills        int
}

var moods = []string{
	"tok_approve", "tok_approve", "tok_twice", "tok_decline", "tok_timeout", "tok_timeout_decline", "tok_unreachable", "tok_once", "tok_late_2m", "tok_late_20m",
	"tok_late_3m_decline", "tok_timeout_late_20m", "tok_unreachable_timeout_late_10m_twice", "tok_approve_refund_timeout", "tok_approve_refund_late_1h",
	"tok_late_20m_refund_unreachable_late_5m", "tok_twice_refund_unreachable_timeout", "tok_approve_refund_decline_account_closed", "visa",
}

// try gives a command that a rule may refuse.
func (c *chaos) try(body hotel.Command) {
	c.t.Helper()
	if err := c.ask(body); err != nil && domain.ReasonOf(err) == "" {
		c.t.Fatalf("%T: %v", body, err)
	}
}

func (c *chaos) pay(n int) {
	c.t.Helper()
	c.payments++
	c.try(pay(n, c.payments, moods[c.random.IntN(len(moods))]))
}

// act does one thing.
func (c *chaos) act() {
	c.t.Helper()
	r := c.random
	n := 1 + r.IntN(c.reservations+1)
	switch r.IntN(14) {
	case 0, 1, 2, 3:
		c.reservations++
		c.try(place(c.reservations, []string{"", "strict"}[r.IntN(2)]))
		c.pay(c.reservations)
	case 4:
		c.try(cancel(n))
	case 5:
		c.try(quantity(n, int32(1+r.IntN(3))))
	case 6:
		c.try(nights(n, 12+r.IntN(4)))
	case 7:
		c.try(&hotel.GrantRefund{Hotel: "grand", ReservationID: reservationID(n), Amount: euros(int64(1 + r.IntN(100_00))), Note: "sorry"})
	case 8:
		c.pay(n)
	case 9:
		c.try(&hotel.ConfirmReservation{Hotel: "grand", ReservationID: reservationID(n)})
	case 10:
		c.sim.SetDown(r.IntN(3) > 0)
	case 11:
		c.again()
	default:
		c.pass(time.Duration(r.IntN(25*60)) * time.Second)
	}
	c.twice, c.lag = r.IntN(2) == 0, r.IntN(2) == 0
	if r.IntN(3) > 0 {
		c.drain()
	}
}

// again has a handler get everything from some message on once more.
func (c *chaos) again() {
	handlers := c.saga.Handlers()
	name := handlers[c.random.IntN(len(handlers))].Name
	if at := c.read[name]; at > 0 {
		c.read[name] = log.Offset(c.random.Int64N(int64(at)))
	}
}

// doomed has the process die after some steps, and the next one, and so on.
func (c *chaos) doomed() {
	c.dies = func() {
		c.kills++
		c.fuse.at, c.fuse.after = 1+c.random.IntN(40), c.random.IntN(2) == 0
	}
	c.dies()
	c.kills = 0
}

// Whatever guests, provider, time and deaths do: in the end nobody has paid twice, no room is lost, no money is kept for a room that was not given, and the provider's ledger is
// what the log says.
func TestPaymentChaos(t *testing.T) {
	rounds, acts := 12, 120
	if testing.Short() {
		rounds = 3
	}
	r := random(t)
	for round := range rounds {
		c := &chaos{world: newWorld(t)}
		c.random = rand.New(rand.NewPCG(r.Uint64(), 1))
		c.build()
		c.doomed()
		for range acts {
			c.act()
		}
		c.dies = nil
		c.fuse.at = 0
		c.sim.SetDown(false)
		c.drain()
		c.pass(2 * 24 * time.Hour) // everything late is there, every hold is over, what was never charged is known not to be
		c.check()
		for id, l := range c.lives() {
			if l.status == "PENDING" && id != reservationID(9_000) {
				t.Errorf("reservation %s is still pending", id)
			}
		}
		if c.kills == 0 || c.payments < 10 {
			t.Errorf("killed %d times, %d payments", c.kills, c.payments)
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}
