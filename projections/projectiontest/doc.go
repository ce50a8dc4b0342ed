// Package projectiontest is the conformance suite that every projection passes, with what it needs: a log in memory and random
// histories of hotels.
//
//	func TestConformance(t *testing.T) { projectiontest.Run(t, func() projections.Projector { return hotels.New() }) }
//
// The suite compares, row by row, tables that went through trouble with those of a straight replay: killed at any step, given
// duplicates, restored from an old file, damaged, rebuilt. The flag -seed repeats a run, -long tries every step.
package projectiontest
