package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"

	"lodge/log"
	"lodge/log/internal/record"
	"lodge/log/vfs"
)

// Cut is one step of a repair: damaged bytes go to a side file, and what they were to say is marked as lost.
type Cut struct {
	Damage
	SideFile string // keeps the bytes; "" when there are none
}

// Repair mends what Open refuses to open, or only says how when apply is false. Each damaged stretch is cut out of its segment, its bytes kept
// in a side file (<segment>.<position>.cut), and the offsets that it held are taken by one empty batch, so that no offset
// is ever given to another record and all sound batches stay, before and behind the damage. A torn tail is left to Open.
//
// A repair that is interrupted can be run again. Nobody may have the partition open.
func Repair(fsys vfs.FS, dir string, apply bool) ([]Cut, error) {
	in, err := Inspect(fsys, dir, nil)
	if err != nil {
		return nil, err
	}
	r := repair{fs: fsys, dir: dir, in: in}
	r.plan()
	if !apply || len(r.cuts) == 0 {
		return r.cuts, nil
	}
	if err := r.apply(); err != nil {
		return r.cuts, fmt.Errorf("repair %s: %w", dir, err)
	}
	return r.cuts, nil
}

type repair struct {
	fs   vfs.FS
	dir  string
	in   *Inspection
	cuts []Cut
}

func (r *repair) plan() {
	for _, d := range r.in.Damages {
		if d.Torn {
			continue
		}
		c := Cut{Damage: d}
		if d.End > d.Pos {
			c.SideFile = fmt.Sprintf("%s.%d%s", d.File, d.Pos, cutSuffix)
		} else if d.File == r.checkpoint() || d.File == r.start() {
			c.SideFile = d.File + cutSuffix
		}
		r.cuts = append(r.cuts, c)
	}
}

func (r *repair) checkpoint() string { return path.Join(r.dir, checkpointName) }
func (r *repair) start() string      { return path.Join(r.dir, startName) }

// apply saves what will be cut, then rewrites the segments, the last damage first so that positions stay true, then the
// checkpoint.
func (r *repair) apply() error {
	for _, c := range r.cuts {
		if err := r.keep(c); err != nil {
			return err
		}
	}
	for i := len(r.cuts) - 1; i >= 0; i-- {
		if err := r.mend(r.cuts[i]); err != nil {
			return err
		}
	}
	return r.renewCheckpoint()
}

func (r *repair) keep(c Cut) error {
	if c.SideFile == "" {
		return nil
	}
	b, err := vfs.ReadFile(r.fs, c.File)
	if err != nil {
		return err
	}
	if c.End > c.Pos {
		b = b[c.Pos:c.End]
	}
	return vfs.AtomicWriteFile(r.fs, c.SideFile, b)
}

func (r *repair) mend(c Cut) error {
	if c.File == r.checkpoint() {
		return nil
	}
	if c.File == r.start() { // the log then starts where the checkpoint says
		if err := r.fs.Remove(c.File); err != nil {
			return err
		}
		return r.fs.SyncDir(r.dir)
	}
	fill := appendFiller(nil, c.From, c.To)
	var b []byte
	if !c.Missing {
		var err error
		if b, err = vfs.ReadFile(r.fs, c.File); err != nil {
			return err
		}
	}
	mended := append(append(append([]byte{}, b[:c.Pos]...), fill...), b[c.End:]...)
	if len(mended) == 0 {
		if err := r.fs.Remove(c.File); err != nil {
			return err
		}
		return r.fs.SyncDir(r.dir)
	}
	return vfs.AtomicWriteFile(r.fs, c.File, mended)
}

// appendFiller appends empty batches that take the offsets [from, to), as Kafka leaves them where compaction removed all records.
func appendFiller(b []byte, from, to log.Offset) []byte {
	for from < to {
		n := min(to-from, math.MaxInt32)
		at := len(b)
		b = append(b, make([]byte, record.HeaderSize)...)
		h := b[at:]
		binary.BigEndian.PutUint32(h[8:], record.HeaderSize-12) // length
		h[16] = 2                                               // magic
		binary.BigEndian.PutUint32(h[23:], uint32(n-1))         // last offset delta
		for i := 27; i < 57; i++ {
			h[i] = 0xff // timestamps -1: none; producer -1: none
		}
		record.SetPlace(h, from, 0)
		record.MarkBarrier(h) // and the CRC: what lies before is durable once the repair is done
		from += n
	}
	return b
}

// renewCheckpoint makes the checkpoint agree with the mended segments. A damaged one is removed: Open then verifies
// the whole log and replays all of it.
func (r *repair) renewCheckpoint() error {
	in, err := Inspect(r.fs, r.dir, nil)
	if err != nil {
		return err
	}
	if in.saved == nil {
		if err := r.fs.Remove(r.checkpoint()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return r.fs.SyncDir(r.dir)
	}
	c := *in.saved
	c.full, c.open, c.since = nil, c.first, 0
	for i, s := range in.Segments {
		c.open = s.Base
		if i == len(in.Segments)-1 || s.Next > c.durable || in.Segments[i+1].Base > c.durable {
			break // also where a torn tail lies between the two, which Open removes
		}
		if err := r.trim(s); err != nil {
			return err
		}
		c.full = append(c.full, extent{base: s.Base, bytes: s.batchEnd, maxTime: s.MaxTime})
	}
	return c.write(r.fs, r.dir)
}

// trim cuts zeros off the end of a full segment.
func (r *repair) trim(s SegmentInfo) error {
	if s.batchEnd == s.Bytes {
		return nil
	}
	file, err := r.fs.OpenReadWrite(s.File)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(s.batchEnd), file.Sync(), file.Close())
}
