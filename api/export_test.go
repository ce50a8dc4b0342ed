package api

// HasRule reports whether the table says who may make a call.
func HasRule(procedure string) bool {
	_, ok := rules[procedure]
	return ok
}
