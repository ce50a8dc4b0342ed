// Package errorfs wraps a file system and asks an Injector before every operation what shall become of
// it: nothing, a delay, an error, half a write. Tests use it to fail or to crash at the n-th operation, for every n.
//
// An injected failure of Sync or SyncData on a vfs.MemFS is as nasty as a real one: nothing becomes durable,
// and a later sync that succeeds does not write what the failed one should have written.
package errorfs

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"lodge/log/vfs"
)

// Kind is the kind of an operation.
type Kind string

// The kinds. Reads change nothing; the others are mutations, in the sense of Op.Mutates.
const (
	Create        Kind = "create"
	Open          Kind = "open"
	OpenReadWrite Kind = "openreadwrite"
	Remove        Kind = "remove"
	RemoveAll     Kind = "removeall"
	Rename        Kind = "rename"
	MkdirAll      Kind = "mkdirall"
	List          Kind = "list"
	Stat          Kind = "stat"
	SyncDir       Kind = "syncdir"
	Lock          Kind = "lock"
	ReadAt        Kind = "readat"
	WriteAt       Kind = "writeat"
	Size          Kind = "size"
	Truncate      Kind = "truncate"
	Sync          Kind = "sync"
	SyncData      Kind = "syncdata"
	Close         Kind = "close"
)

// Op is one operation that is about to happen.
type Op struct {
	Kind   Kind
	Name   string // of the file or folder
	Offset int64  // of ReadAt and WriteAt; the size of Truncate
	Bytes  int    // of ReadAt and WriteAt
}

// String describes the operation, as in "writeat topics/a/0/00000000000000000000.log 512+600".
func (o Op) String() string {
	if o.Bytes > 0 || o.Offset > 0 {
		return fmt.Sprintf("%s %s %d+%d", o.Kind, o.Name, o.Offset, o.Bytes)
	}
	return string(o.Kind) + " " + o.Name
}

// Mutates reports whether the operation changes the file system or what of it is durable.
func (o Op) Mutates() bool {
	switch o.Kind {
	case Open, OpenReadWrite, List, Stat, ReadAt, Size, Close, Lock:
		return false
	}
	return true
}

// Injector decides about operations. It may sleep, and it may be called by several goroutines at once.
type Injector interface {
	// Inject is called before op. When it returns an error op is not done and returns that error. See ShortError.
	Inject(op Op) error
}

// InjectorFunc is an Injector made of a function.
type InjectorFunc func(Op) error

// Inject calls f.
func (f InjectorFunc) Inject(op Op) error { return f(op) }

// ErrInjected is the error that the injectors here return.
var ErrInjected = errors.New("injected error")

// ShortError is an error that lets WriteAt write its first N bytes before it fails.
type ShortError struct {
	N   int
	Err error
}

// Error implements error.
func (s *ShortError) Error() string { return fmt.Sprintf("short write of %d bytes: %v", s.N, s.Err) }

// Unwrap returns the cause.
func (s *ShortError) Unwrap() error { return s.Err }

// Nth fails the n-th operation (from 0) that match accepts, and no other. Once reports whether it has.
type Nth struct {
	N     int
	Match func(Op) bool // nil: every operation
	Err   error         // nil: ErrInjected
	After bool          // fail every later one too

	mu   sync.Mutex
	seen int
	hit  *Op
}

// Inject implements Injector.
func (n *Nth) Inject(op Op) error {
	if n.Match != nil && !n.Match(op) {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.seen
	n.seen++
	if seen < n.N || seen > n.N && !n.After {
		return nil
	}
	if n.hit == nil {
		n.hit = &op
	}
	if n.Err != nil {
		return n.Err
	}
	return ErrInjected
}

// Hit returns the first operation that was failed, or nil.
func (n *Nth) Hit() *Op {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hit
}

// Delay returns an Injector that sleeps before each operation that match accepts (nil: all).
func Delay(d time.Duration, match func(Op) bool) Injector {
	return InjectorFunc(func(op Op) error {
		if match == nil || match(op) {
			time.Sleep(d)
		}
		return nil
	})
}

// Wrap returns fsys with every operation going through inj.
func Wrap(fsys vfs.FS, inj Injector) vfs.FS { return &errorFS{fsys: fsys, inj: inj} }

type errorFS struct {
	fsys vfs.FS
	inj  Injector
}

func (e *errorFS) do(kind Kind, name string, run func() error) error {
	if err := e.inj.Inject(Op{Kind: kind, Name: name}); err != nil {
		return fmt.Errorf("%s %s: %w", kind, name, err)
	}
	return run()
}

func (e *errorFS) open(kind Kind, name string, open func(string) (vfs.File, error)) (f vfs.File, err error) {
	err = e.do(kind, name, func() error {
		inner, err := open(name)
		if err == nil {
			f = &errorFile{File: inner, name: name, inj: e.inj}
		}
		return err
	})
	return f, err
}

func (e *errorFS) Create(name string) (vfs.File, error) { return e.open(Create, name, e.fsys.Create) }
func (e *errorFS) Open(name string) (vfs.File, error)   { return e.open(Open, name, e.fsys.Open) }
func (e *errorFS) OpenReadWrite(name string) (vfs.File, error) {
	return e.open(OpenReadWrite, name, e.fsys.OpenReadWrite)
}

func (e *errorFS) Remove(name string) error {
	return e.do(Remove, name, func() error { return e.fsys.Remove(name) })
}

func (e *errorFS) RemoveAll(name string) error {
	return e.do(RemoveAll, name, func() error { return e.fsys.RemoveAll(name) })
}

func (e *errorFS) Rename(oldname, newname string) error {
	return e.do(Rename, oldname, func() error { return e.fsys.Rename(oldname, newname) })
}

func (e *errorFS) MkdirAll(dir string) error {
	return e.do(MkdirAll, dir, func() error { return e.fsys.MkdirAll(dir) })
}

func (e *errorFS) SyncDir(dir string) error {
	return e.do(SyncDir, dir, func() error { return e.fsys.SyncDir(dir) })
}

func (e *errorFS) List(dir string) (names []string, err error) {
	err = e.do(List, dir, func() error { names, err = e.fsys.List(dir); return err })
	return names, err
}

func (e *errorFS) Stat(name string) (info vfs.FileInfo, err error) {
	err = e.do(Stat, name, func() error { info, err = e.fsys.Stat(name); return err })
	return info, err
}

func (e *errorFS) Lock(name string) (c io.Closer, err error) {
	err = e.do(Lock, name, func() error { c, err = e.fsys.Lock(name); return err })
	return c, err
}
