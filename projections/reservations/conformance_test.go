package reservations_test

import (
	"testing"

	"lodge/log/logtest/leaktest"
	"lodge/projections"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	projectiontest.Run(t, func() projections.Projector { return reservations.New() })
}
