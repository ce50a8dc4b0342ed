package reservations_test

import (
	"testing"

	"go.uber.org/goleak"

	"lodge/projections"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	projectiontest.Run(t, func() projections.Projector { return reservations.New() })
}
