package payments_test

import (
	"testing"

	"lodge/log/logtest/leaktest"
	"lodge/projections"
	"lodge/projections/payments"
	"lodge/projections/projectiontest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	projectiontest.Run(t, func() projections.Projector { return payments.New() })
}
