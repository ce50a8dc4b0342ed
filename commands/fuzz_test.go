package commands

import (
	"testing"

	"lodge/log/vfs"
)

// Whatever is in a snapshot file, reading it ends with a state or an error, and a state that was read writes the same requests and
// offsets again.
func FuzzReadSnapshot(f *testing.F) {
	fs := vfs.NewMem()
	opts := Options{Partitions: 1, SnapshotDir: "snapshots", SnapshotEvery: 1, FS: fs, HoldTick: -1}
	lg := newMemLog()
	h := open(f, lg, opts)
	h.build("grand", 3)
	h.do(1, place("grand", 1))
	if err := h.stop(); err != nil {
		f.Fatal(err)
	}
	h.addSnapshot(f, fs)
	opts = opts.withDefaults()
	f.Fuzz(func(t *testing.T, data []byte) {
		fs := vfs.NewMem()
		if err := vfs.AtomicWriteFile(fs, "a", data); err != nil {
			t.Fatal(err)
		}
		st, marks, err := readSnapshotFile(t, fs, "a", opts)
		if err != nil {
			return
		}
		s := &snapshots{opts: opts}
		s.opts.FS = fs
		if err := s.replace(t.Context(), "b", func(w *snapshotWriter) { w.state(0, st, marks, opts) }); err != nil {
			t.Fatal(err)
		}
		again, marksAgain, err := readSnapshotFile(t, fs, "b", opts)
		if err != nil || marksAgain != marks || again.next != st.next || again.requests.len() != st.requests.len() {
			t.Fatalf("written again: %v", err)
		}
	})
}

// addSnapshot adds the snapshot as it is, and its halves, to the corpus.
func (h *house) addSnapshot(f *testing.F, fs vfs.FS) {
	data, err := vfs.ReadFile(fs, h.snapshots.name(0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add(data[len(data)/2:])
}

func readSnapshotFile(t *testing.T, fs vfs.FS, name string, opts Options) (*state, snapshotMarks, error) {
	file, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return readSnapshot(file, 0, opts)
}

// FuzzSnapshotFrames gets past the checksums: any frame, well framed, between a good header and a good end.
func FuzzSnapshotFrames(f *testing.F) {
	f.Add(byte(hotelFrame), []byte("\x05grand"))
	f.Add(byte(requestsFrame), make([]byte, 2*requestBytes))
	f.Add(byte(endFrame), []byte{1, 0, 0, 0})
	opts := Options{Partitions: 1}.withDefaults()
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		s := &snapshots{opts: opts}
		s.opts.FS = vfs.NewMem()
		st := newState(opts)
		st.requests.add(requestEntry{id: requestID(1), ref: newRequestRef(0, 0, 1)})
		err := s.replace(t.Context(), "a", func(w *snapshotWriter) {
			w.state(0, st, snapshotMarks{}, opts)
			w.frame(kind, func(b []byte) []byte { return append(b, payload...) })
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := readSnapshotFile(t, s.opts.FS, "a", opts); err == nil {
			t.Fatal("a frame too many was read")
		}
	})
}
