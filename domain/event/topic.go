package event

// The topics that events are stored in, all keyed by hotel id and partitioned alike.
const (
	HotelsTopic    = "hotels"
	InventoryTopic = "inventory"
	BookingsTopic  = "bookings"
	PaymentsTopic  = "payments"
)
