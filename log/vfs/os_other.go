//go:build !linux

package vfs

// SyncData is Sync where there is no fdatasync that can be trusted.
func (f *osFile) SyncData() error { return f.Sync() }
