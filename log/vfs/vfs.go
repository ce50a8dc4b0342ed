// Package vfs is the seam between Lodge and a file system: the few operations that a log needs,
// an implementation over the operating system (Default; Private for secrets) and one in memory that can lose power
// (NewMem). Package errorfs beside it injects errors and latency.
//
// # What a caller may rely on
//
// The interface promises what POSIX promises and no more:
//
//   - what File.WriteAt wrote is durable when a later SyncData or Sync of that file has returned nil;
//   - a created, renamed or removed name is durable when a later SyncDir of its folder has returned nil;
//   - Rename within one folder is atomic: after a power loss the new name is the old file or the new one;
//   - after an error from SyncData or Sync nothing may be assumed of what was written since the last
//     success, and calling it again proves nothing: the kernel may have dropped the pages and marked them clean.
//
// A 512-byte sector is assumed to be written as a whole or not at all; several sectors of one write may survive a
// power loss in any subset. MemFS.CrashClone plays all of this.
//
// Names are slash-separated paths. Errors wrap io/fs.ErrNotExist and io/fs.ErrExist as the os package's do.
package vfs

import "io"

// FS is a file system. Safe for concurrent use.
type FS interface {
	// Create makes the named file, or empties the one that is there, and opens it for reading and writing.
	Create(name string) (File, error)
	// Open opens the named file for reading.
	Open(name string) (File, error)
	// OpenReadWrite opens the named file, which must exist, for reading and writing.
	OpenReadWrite(name string) (File, error)
	// Remove removes the named file or empty folder. Open files stay readable.
	Remove(name string) error
	// RemoveAll removes a folder and all that is in it; it is no error when there is none.
	RemoveAll(name string) error
	// Rename gives a file or folder another name, replacing a file that is there.
	Rename(oldname, newname string) error
	// MkdirAll makes a folder and its parents. See MkdirAllSynced for a durable one.
	MkdirAll(dir string) error
	// List returns the base names in a folder, sorted.
	List(dir string) ([]string, error)
	// Stat describes a file or folder.
	Stat(name string) (FileInfo, error)
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// Lock takes the named file (made if need be) for this process alone, without waiting, until the Closer is
	// closed or the process ends. When somebody else has it the error has code log.Locked.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Safe for concurrent use, except Close.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the file's length in bytes.
	Size() (int64, error)
	// Truncate cuts or extends the file; new bytes are zero.
	Truncate(size int64) error
	// Sync makes data and all metadata durable (fsync).
	Sync() error
	// SyncData makes data durable, and of the metadata what is needed to read it back (fdatasync).
	SyncData() error
}

// FileInfo describes a file or folder.
type FileInfo struct {
	Size int64 // bytes; of a folder: meaningless
	Dir  bool
}
