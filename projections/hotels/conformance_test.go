package hotels_test

import (
	"testing"

	"go.uber.org/goleak"

	"lodge/projections"
	"lodge/projections/hotels"
	"lodge/projections/projectiontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	projectiontest.Run(t, func() projections.Projector { return hotels.New() })
}
