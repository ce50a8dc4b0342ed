// Package hotels is the read model of hotels and their room types, as they are now.
//
// Projector fills it; Queries answers from it. It reads the topic hotels only.
package hotels
