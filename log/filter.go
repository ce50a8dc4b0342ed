package log

import (
	"bytes"
	"slices"
)

// Filter chooses records by tag and by key. The zero value chooses all. A record's tag is the value of its header
// TopicConfig.TagHeader.
type Filter struct {
	Tags []string // the record's tag is one of these; empty: any tag or none
	Keys [][]byte // the record's key is one of these; empty: any key or none
}

// Limits of a filter.
const (
	FilterTagsMax  = 256
	FilterKeysMax  = 1024
	FilterBytesMax = 1 << 20 // of all tags and keys
)

// All reports whether f chooses every record.
func (f *Filter) All() bool { return f == nil || len(f.Tags) == 0 && len(f.Keys) == 0 }

// Validate returns an error with code InvalidArgument when f is beyond the limits.
func (f *Filter) Validate() error {
	if f == nil {
		return nil
	}
	if len(f.Tags) > FilterTagsMax || len(f.Keys) > FilterKeysMax {
		return NewError(InvalidArgument, "filter", "%d tags and %d keys are more than %d and %d", len(f.Tags), len(f.Keys), FilterTagsMax, FilterKeysMax)
	}
	size := 0
	for _, tag := range f.Tags {
		size += len(tag)
	}
	for _, key := range f.Keys {
		size += len(key)
	}
	if size > FilterBytesMax {
		return NewError(InvalidArgument, "filter", "tags and keys of %d bytes are more than %d", size, FilterBytesMax)
	}
	return nil
}

// Matches reports whether f chooses r, whose tag is in the header of that name.
func (f *Filter) Matches(r *Record, tagHeader string) bool {
	if f.All() {
		return true
	}
	if len(f.Tags) > 0 {
		tag, ok := r.Header(tagHeader)
		if !ok || !slices.Contains(f.Tags, string(tag)) {
			return false
		}
	}
	return len(f.Keys) == 0 || r.Key != nil && slices.ContainsFunc(f.Keys, func(k []byte) bool { return bytes.Equal(k, r.Key) })
}
