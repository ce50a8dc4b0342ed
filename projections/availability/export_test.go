package availability

// Distance and InBox open what a circle is made of to tests.
func Distance(c *Circle, latitude, longitude float64) float64 { return c.distance(latitude, longitude) }

func InBox(c *Circle, latitude, longitude float64) bool {
	b := c.box()
	in := func(i int) bool { return longitude >= b.west[i] && longitude <= b.east[i] }
	return latitude >= b.south && latitude <= b.north && (in(0) || in(1))
}

// CandidatesQuery opens what finds the hotels at a place.
func CandidatesQuery(req *Request) (sql string, args []any) { return candidatesQuery(req) }
