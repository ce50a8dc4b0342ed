package hotels

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"lodge/domain"
	"lodge/domain/eventpb"
	"lodge/projections"
)

// RatePlan is a rate plan as it is now.
type RatePlan struct {
	Plan       *eventpb.RatePlan
	CreateTime time.Time
	UpdateTime time.Time
}

const putRatePlan = `INSERT INTO rate_plan VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT DO UPDATE SET archived = ?3, plan = ?4, update_nanos = ?6`

func writeRatePlan(tx *projections.Tx, p RatePlan) error {
	put, err := tx.Stmt(putRatePlan)
	if err != nil {
		return err
	}
	plan, err := proto.MarshalOptions{Deterministic: true}.Marshal(p.Plan)
	if err != nil {
		return err
	}
	return put.Exec(p.Plan.GetHotelId(), p.Plan.GetRatePlanId(), p.Plan.GetArchived(), plan, p.CreateTime.UnixNano(), p.UpdateTime.UnixNano())
}

// GetRatePlan returns a rate plan, archived or not. The error has reason domain.RatePlanNotFound when there is none.
func (q *Queries) GetRatePlan(ctx context.Context, hotelID, ratePlanID string) (RatePlan, error) {
	found, err := q.ratePlans(ctx, hotelID, "WHERE hotel_id = ? AND rate_plan_id = ?", hotelID, ratePlanID)
	if err == nil && len(found) == 0 {
		err = domain.Errorf(domain.RatePlanNotFound, "", "there is no rate plan %q in hotel %q", ratePlanID, hotelID)
	}
	if err != nil {
		return RatePlan{}, err
	}
	return found[0], nil
}

// ListRatePlans returns a hotel's rate plans with ids behind after, in order of their ids, and whether there are more.
func (q *Queries) ListRatePlans(ctx context.Context, hotelID string, showArchived bool, after string, limit int) ([]RatePlan, bool, error) {
	limit = pageLimit(limit)
	where := "WHERE hotel_id = ? AND rate_plan_id > ?"
	if !showArchived {
		where += " AND archived = 0"
	}
	found, err := q.ratePlans(ctx, hotelID, where+" ORDER BY rate_plan_id LIMIT ?", hotelID, after, limit+1)
	if len(found) > limit {
		return found[:limit], true, err
	}
	return found, false, err
}

func (q *Queries) ratePlans(ctx context.Context, hotelID, where string, args ...any) (found []RatePlan, err error) {
	err = q.store.View(ctx, Name, q.store.PartitionFor(hotelID), func(c *projections.Conn) error {
		return c.Query(ctx, "SELECT plan, create_nanos, update_nanos FROM rate_plan "+where, args, func(r *projections.Row) error {
			p := RatePlan{Plan: new(eventpb.RatePlan), CreateTime: nanos(r.Int(1)), UpdateTime: nanos(r.Int(2))}
			if err := proto.Unmarshal(r.Blob(0), p.Plan); err != nil {
				return fmt.Errorf("read a rate plan of hotel %s: %w", hotelID, err)
			}
			found = append(found, p)
			return nil
		})
	})
	return found, err
}
