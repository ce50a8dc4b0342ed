package eventindex

// Numbered reports whether rows name a type by a number.
func Numbered(eventType string) bool { return typeNumbers[eventType] != 0 }
