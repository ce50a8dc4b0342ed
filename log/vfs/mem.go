package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

// MemFS is a file system in memory that knows what is durable and what is not. CrashClone shows
// what a power loss could leave of it. Safe for concurrent use; one lock guards everything.
type MemFS struct {
	mu    sync.Mutex
	root  *memDir
	locks map[string]bool
}

// NewMem returns an empty file system.
func NewMem() *MemFS {
	return &MemFS{root: newMemDir(nil), locks: map[string]bool{}}
}

// memNode is a *memDir or a *memInode.
type memNode interface{}

// memDir is a folder: its names as they are, as they were when it was last synced, and what happened in between.
type memDir struct {
	entries map[string]memNode
	durable map[string]memNode
	changes []memChange // since the last SyncDir, oldest first
}

// memChange is one step that a power loss undoes or not. node nil: name was removed; from not empty: renamed.
type memChange struct {
	name, from string
	node       memNode
}

func newMemDir(entries map[string]memNode) *memDir {
	if entries == nil {
		entries = map[string]memNode{}
	}
	return &memDir{entries: entries, durable: maps.Clone(entries)}
}

func (d *memDir) apply(entries map[string]memNode, c memChange) {
	if c.node == nil {
		delete(entries, c.name)
		return
	}
	if c.from != "" && entries[c.from] == c.node {
		delete(entries, c.from)
	}
	entries[c.name] = c.node
}

func (d *memDir) change(c memChange) {
	d.apply(d.entries, c)
	d.changes = append(d.changes, c)
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func splitPath(name string) []string {
	name = strings.Trim(path.Clean("/"+name), "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// find returns the node of that name, or nil.
func (m *MemFS) find(name string) memNode {
	var node memNode = m.root
	for _, part := range splitPath(name) {
		dir, ok := node.(*memDir)
		if !ok {
			return nil
		}
		if node, ok = dir.entries[part]; !ok {
			return nil
		}
	}
	return node
}

// parent returns the folder that name lies in, and name's last part.
func (m *MemFS) parent(op, name string) (*memDir, string, error) {
	dir, base := path.Split(path.Clean("/" + name))
	d, ok := m.find(dir).(*memDir)
	if !ok || base == "" {
		return nil, "", pathError(op, name, fs.ErrNotExist)
	}
	return d, base, nil
}

// Create implements FS. Emptying a file that is there is a change of its data, durable when it is synced.
func (m *MemFS) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("create", name)
	if err != nil {
		return nil, err
	}
	switch node := dir.entries[base].(type) {
	case *memInode:
		node.truncate(0)
		return &memFile{fs: m, inode: node, name: name, write: true}, nil
	case *memDir:
		return nil, pathError("create", name, fmt.Errorf("is a folder: %w", fs.ErrExist))
	}
	node := newMemInode(nil)
	dir.change(memChange{name: base, node: node})
	return &memFile{fs: m, inode: node, name: name, write: true}, nil
}

// Open implements FS.
func (m *MemFS) Open(name string) (File, error) { return m.open(name, false) }

// OpenReadWrite implements FS.
func (m *MemFS) OpenReadWrite(name string) (File, error) { return m.open(name, true) }

func (m *MemFS) open(name string, write bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node, ok := m.find(name).(*memInode)
	if !ok {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	return &memFile{fs: m, inode: node, name: name, write: write}, nil
}

// Remove implements FS.
func (m *MemFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	node, ok := dir.entries[base]
	if !ok {
		return pathError("remove", name, fs.ErrNotExist)
	}
	if sub, ok := node.(*memDir); ok && len(sub.entries) > 0 {
		return pathError("remove", name, fmt.Errorf("folder not empty"))
	}
	dir.change(memChange{name: base})
	return nil
}

// RemoveAll implements FS. A power loss may leave any part of what was removed, as when it is removed name by name.
func (m *MemFS) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("removeall", name)
	if err != nil {
		return nil
	}
	node, ok := dir.entries[base]
	if !ok {
		return nil
	}
	empty(node)
	dir.change(memChange{name: base})
	return nil
}

func empty(node memNode) {
	dir, ok := node.(*memDir)
	if !ok {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(dir.entries)) {
		empty(dir.entries[name])
		dir.change(memChange{name: name})
	}
}

// Rename implements FS. Between two folders it is, to a power loss, two independent changes.
func (m *MemFS) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, oldBase, err := m.parent("rename", oldname)
	if err != nil {
		return err
	}
	to, newBase, err := m.parent("rename", newname)
	if err != nil {
		return err
	}
	node, ok := from.entries[oldBase]
	if !ok {
		return pathError("rename", oldname, fs.ErrNotExist)
	}
	if sub, ok := to.entries[newBase].(*memDir); ok && (node != memNode(sub)) && len(sub.entries) > 0 {
		return pathError("rename", newname, fs.ErrExist)
	}
	if from == to {
		if oldBase != newBase {
			to.change(memChange{name: newBase, from: oldBase, node: node})
		}
		return nil
	}
	to.change(memChange{name: newBase, node: node})
	from.change(memChange{name: oldBase})
	return nil
}

// MkdirAll implements FS.
func (m *MemFS) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := m.root
	for _, part := range splitPath(name) {
		switch next := dir.entries[part].(type) {
		case *memDir:
			dir = next
		case *memInode:
			return pathError("mkdir", name, fmt.Errorf("not a folder"))
		default:
			made := newMemDir(nil)
			dir.change(memChange{name: part, node: made})
			dir = made
		}
	}
	return nil
}

// List implements FS.
func (m *MemFS) List(name string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, ok := m.find(name).(*memDir)
	if !ok {
		return nil, pathError("list", name, fs.ErrNotExist)
	}
	return slices.Sorted(maps.Keys(dir.entries)), nil
}

// Stat implements FS.
func (m *MemFS) Stat(name string) (FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch node := m.find(name).(type) {
	case *memDir:
		return FileInfo{Dir: true}, nil
	case *memInode:
		return FileInfo{Size: int64(len(node.data))}, nil
	}
	return FileInfo{}, pathError("stat", name, fs.ErrNotExist)
}

// SyncDir implements FS.
func (m *MemFS) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, ok := m.find(name).(*memDir)
	if !ok {
		return pathError("syncdir", name, fs.ErrNotExist)
	}
	dir.durable, dir.changes = maps.Clone(dir.entries), nil
	return nil
}

// Lock implements FS.
func (m *MemFS) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("lock", name)
	if err != nil {
		return nil, err
	}
	name = path.Clean("/" + name)
	if m.locks[name] {
		return nil, lockedError(name)
	}
	if dir.entries[base] == nil {
		dir.change(memChange{name: base, node: newMemInode(nil)})
	}
	m.locks[name] = true
	return &memLock{fs: m, name: name}, nil
}

type memLock struct {
	fs   *MemFS
	name string
	once sync.Once
}

// Close gives the lock back.
func (l *memLock) Close() error {
	l.once.Do(func() {
		l.fs.mu.Lock()
		defer l.fs.mu.Unlock()
		delete(l.fs.locks, l.name)
	})
	return nil
}
