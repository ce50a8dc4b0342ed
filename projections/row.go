package projections

import "database/sql/driver"

// Row is one row of a query's result. What its methods return is the caller's to keep.
type Row struct{ values []driver.Value }

// Len returns the number of columns.
func (r *Row) Len() int { return len(r.values) }

// Null reports whether column i is NULL.
func (r *Row) Null(i int) bool { return r.values[i] == nil }

// Value returns column i as nil, int64, float64, string or []byte.
func (r *Row) Value(i int) any { return r.values[i] }

// Int returns column i, or 0 when it is no integer.
func (r *Row) Int(i int) int64 {
	switch v := r.values[i].(type) {
	case int64:
		return v
	case bool:
		if v {
			return 1
		}
	}
	return 0
}

// Bool reports whether column i is an integer other than 0.
func (r *Row) Bool(i int) bool { return r.Int(i) != 0 }

// Float returns column i, or 0 when it is no number.
func (r *Row) Float(i int) float64 {
	if v, ok := r.values[i].(float64); ok {
		return v
	}
	return float64(r.Int(i))
}

// Text returns column i, or "" when it is no text.
func (r *Row) Text(i int) string {
	switch v := r.values[i].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// Blob returns column i, or nil when it is no blob.
func (r *Row) Blob(i int) []byte {
	v, _ := r.values[i].([]byte)
	return v
}
