package main

// benchCommand measures.
type benchCommand struct {
	dataFlag
}
