package projections_test

import (
	"strings"
	"testing"

	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/eventindex"
	"lodge/projections/payments"
	"lodge/projections/projectiontest"
	"lodge/projections/reservations"
)

// TestListsUseTheirIndexes keeps paged queries from sorting or scanning whole tables.
func TestListsUseTheirIndexes(t *testing.T) {
	for _, c := range []struct {
		projector projections.Projector
		sql, want string
	}{
		{reservations.New(), `SELECT * FROM reservation WHERE hotel_id = 'h' AND (check_in, reservation_id) > (1, 'r')
			ORDER BY check_in, reservation_id LIMIT 9`, "reservation_by_arrival"},
		{reservations.New(), `SELECT * FROM reservation WHERE guest_id = 'g' AND guest_id <> '' AND (check_in, hotel_id, reservation_id) > (1, 'h', 'r')
			ORDER BY check_in, hotel_id, reservation_id LIMIT 9`, "reservation_by_guest"},
		{reservations.New(), `SELECT * FROM reservation WHERE hotel_id = 'h' AND (check_in, reservation_id) > (5, 'r') AND check_in <= 5
			ORDER BY check_in, reservation_id LIMIT 9`, "reservation_by_arrival (hotel_id=? AND (check_in,reservation_id)>(?,?) AND check_in<?)"},
		{reservations.New(), `SELECT * FROM reservation WHERE hotel_id = 'h' AND (check_in, reservation_id) > (1, 'r') AND check_in <= 9
			AND check_in + nights = 9 ORDER BY check_in, reservation_id LIMIT 9`, "reservation_by_arrival (hotel_id=? AND (check_in,reservation_id)>(?,?) AND check_in<?)"},
		{reservations.New(), `SELECT * FROM visit v CROSS JOIN reservation r ON r.hotel_id = v.hotel_id AND r.reservation_id = v.reservation_id
			WHERE v.hotel_id = 'h' AND v.until > 5 AND v.arrived <= 5 AND (v.until, v.reservation_id) > (1, 'r') ORDER BY v.until, v.reservation_id LIMIT 9`,
			"SEARCH v USING PRIMARY KEY (hotel_id=? AND until>?); SEARCH r USING PRIMARY KEY (hotel_id=? AND reservation_id=?)"},
		{reservations.New(), `SELECT * FROM reservation_group g CROSS JOIN reservation r ON r.hotel_id = g.hotel_id AND r.reservation_id = g.reservation_id
			WHERE g.hotel_id = 'h' AND g.group_id = 'g' AND g.reservation_id > 'r' ORDER BY g.reservation_id LIMIT 9`,
			"SEARCH g USING PRIMARY KEY (hotel_id=? AND group_id=? AND reservation_id>?); SEARCH r USING PRIMARY KEY"},
		{reservations.New(), `SELECT * FROM waiting_list WHERE hotel_id = 'h' AND joined >= 1 AND ended = 0 ORDER BY joined LIMIT 9`, "waiting_list_open"},
		{reservations.New(), `SELECT * FROM waiting_list WHERE hotel_id = 'h' AND joined >= 1 ORDER BY joined LIMIT 9`, "waiting_list_in_order"},
		{reservations.New(), `SELECT * FROM waiting_list WHERE guest_id = 'g' AND (entry_id, hotel_id) > ('e', 'h') ORDER BY entry_id, hotel_id LIMIT 9`,
			"waiting_list_by_guest (guest_id=? AND (entry_id,hotel_id)>(?,?))"},
		{payments.New(), `SELECT * FROM payment WHERE hotel_id = 'h' AND reservation_id = 'r' ORDER BY payment_id LIMIT 9`,
			"PRIMARY KEY (hotel_id=? AND reservation_id=?)"},
		{payments.New(), `SELECT * FROM payment WHERE payment_id = 'p' ORDER BY payment_id LIMIT 1`, "payment_by_id (payment_id=?)"},
		{eventindex.New(), `SELECT * FROM event WHERE hotel_id = 'h' AND (time_nanos, topic, offset) > (1, 2, 3) AND time_nanos < 9
			ORDER BY time_nanos, topic, offset LIMIT 9`, "event_by_hotel (hotel_id=? AND (time_nanos,topic,offset)>(?,?,?) AND time_nanos<?)"},
		{eventindex.New(), `SELECT * FROM event WHERE (time_nanos, topic, offset) > (1, 2, 3) AND time_nanos < 9
			ORDER BY time_nanos, topic, offset LIMIT 9`, "PRIMARY KEY ((time_nanos,topic,offset)>(?,?,?) AND time_nanos<?)"},
		{eventindex.New(), `SELECT * FROM event WHERE event_id = x'00' ORDER BY time_nanos, topic, offset LIMIT 1`, "event_by_id (event_id=?)"},
		{availability.New(), `SELECT date FROM room_type_inventory WHERE hotel_id = 'h' AND room_type_id = 'r' AND date >= 1 AND date < 9`,
			"PRIMARY KEY (hotel_id=? AND room_type_id=? AND date>? AND date<?)"},
	} {
		b := projectiontest.NewBench(t, projectiontest.NewLog(1), func() projections.Projector { return c.projector })
		b.Start()
		if err := b.Store.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		plan := explain(t, b, c.sql)
		if !strings.Contains(plan, c.want) || strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "SCAN") {
			t.Errorf("%s\nplan %s\nwant %s", c.sql, plan, c.want)
		}
		b.Close()
	}
}

func explain(t *testing.T, b *projectiontest.Bench, sql string) (plan string) {
	t.Helper()
	err := b.Store.View(t.Context(), b.New().Name(), 0, func(c *projections.Conn) error {
		return c.Query(t.Context(), "EXPLAIN QUERY PLAN "+sql, nil, func(r *projections.Row) error {
			plan += r.Text(3) + "; "
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}
