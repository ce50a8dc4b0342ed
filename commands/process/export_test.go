package process

import "context"

// Delivered returns the context that a handler is called with for a delivery.
func Delivered(ctx context.Context, d Delivery) context.Context {
	return context.WithValue(ctx, deliveryKey{}, &delivery{Delivery: d})
}

// RefundFailsHandler is the handler that gives refused refunds to people.
const RefundFailsHandler = refundFailsHandler
