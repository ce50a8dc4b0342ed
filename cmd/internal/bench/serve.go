package bench

import (
	"context"
	"errors"
)

// Serve runs a platform with the benchmark's hotels in dir, durability sync, on a free port of the loopback interface until ctx ends. ready is told its URL.
func Serve(ctx context.Context, dir string, hotels int, ready func(url string)) error {
	h, err := openHouse(ctx, dir, "127.0.0.1:0", hotels)
	if err != nil {
		return err
	}
	ready("http://" + h.Addr().String())
	<-ctx.Done()
	if err := h.close(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
