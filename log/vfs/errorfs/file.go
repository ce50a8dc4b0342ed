package errorfs

import (
	"errors"

	"lodge/log/vfs"
)

type errorFile struct {
	vfs.File
	name string
	inj  Injector
}

func (f *errorFile) inject(op Op) error {
	op.Name = f.name
	return f.inj.Inject(op)
}

// ReadAt implements io.ReaderAt.
func (f *errorFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.inject(Op{Kind: ReadAt, Offset: off, Bytes: len(p)}); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

// WriteAt implements io.WriterAt.
func (f *errorFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.inject(Op{Kind: WriteAt, Offset: off, Bytes: len(p)})
	if err == nil {
		return f.File.WriteAt(p, off)
	}
	var short *ShortError
	if !errors.As(err, &short) {
		return 0, err
	}
	n, writeErr := f.File.WriteAt(p[:min(max(short.N, 0), len(p))], off)
	return n, errors.Join(err, writeErr)
}

// Size implements vfs.File.
func (f *errorFile) Size() (int64, error) {
	if err := f.inject(Op{Kind: Size}); err != nil {
		return 0, err
	}
	return f.File.Size()
}

// Truncate implements vfs.File.
func (f *errorFile) Truncate(size int64) error {
	if err := f.inject(Op{Kind: Truncate, Offset: size}); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

// Sync implements vfs.File.
func (f *errorFile) Sync() error { return f.sync(Sync, f.File.Sync) }

// SyncData implements vfs.File.
func (f *errorFile) SyncData() error { return f.sync(SyncData, f.File.SyncData) }

func (f *errorFile) sync(kind Kind, sync func() error) error {
	err := f.inject(Op{Kind: kind})
	if err == nil {
		return sync()
	}
	if forgetful, ok := f.File.(interface{ SyncFailed() }); ok {
		forgetful.SyncFailed()
	}
	return err
}

// Close implements io.Closer. The file is closed even when an error is injected.
func (f *errorFile) Close() error {
	return errors.Join(f.inject(Op{Kind: Close}), f.File.Close())
}
