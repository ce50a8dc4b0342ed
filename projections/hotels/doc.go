// Package hotels is the read model of hotels, their room types, rooms and rate plans, as they are now.
//
// Projector fills it; Queries answers from it. It reads the topic hotels only.
package hotels
