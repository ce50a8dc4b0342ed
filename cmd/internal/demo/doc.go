// Package demo fills a platform with hotels, rooms, prices and bookings that look like a few weeks of real trade up to
// this moment, and stages a race for the last room.
//
//	world := demo.NewWorld(seed, now)
//	result, err := demo.Seed(ctx, engine, world)
//
// The same seed and day give the same commands with the same request ids: seeding a folder twice on one day adds nothing.
package demo
