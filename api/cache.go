package api

import (
	"lodge/projections"
	"lodge/projections/availability"
	"lodge/projections/cache"
	"lodge/projections/hotels"
)

// openCache puts the cache before the read models that hotels are searched in.
func (a *API) openCache() (err error) {
	a.cache, err = cache.New(cache.Options{BytesMax: uint64(a.opts.CacheBytes), TTL: a.opts.CacheTTL, Clock: a.opts.Clock})
	if err != nil {
		return err
	}
	if a.availability, err = availability.NewCachedQueries(a.deps.Store, a.cache); err != nil {
		return err
	}
	if _, err = a.deps.Store.Listen(availability.Name, a.watchers.tell); err != nil { // behind the cache: whoever is woken reads anew
		return err
	}
	_, err = a.deps.Store.Listen(hotels.Name, func(told projections.Applied) {
		if told.All {
			a.cache.ForgetAll()
		}
		for i := range told.Events {
			a.cache.Forget(told.Events[i].Envelope.HotelID)
		}
	})
	return err
}

// CacheStats counts what the cache has done.
func (a *API) CacheStats() cache.Stats { return a.cache.Stats() }
