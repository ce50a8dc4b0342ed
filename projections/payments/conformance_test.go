package payments_test

import (
	"testing"

	"go.uber.org/goleak"

	"lodge/projections"
	"lodge/projections/payments"
	"lodge/projections/projectiontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	projectiontest.Run(t, func() projections.Projector { return payments.New() })
}
