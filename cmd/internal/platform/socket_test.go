package platform

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// longDir is a data folder whose socket must lie elsewhere: in the folder that it returns, which is not there yet.
func longDir(t *testing.T) (dir, sockets string) {
	t.Helper()
	temp, err := os.MkdirTemp("", "s") // t.TempDir is long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(temp); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("TMPDIR", temp)
	return filepath.Join(t.TempDir(), strings.Repeat("a-long-name/", 12)), filepath.Join(temp, "lodge-"+strconv.Itoa(os.Getuid()))
}

func TestTheSocketOfALongPathLiesInAFolderOfTheUser(t *testing.T) {
	dir, sockets := longDir(t)
	l, err := listenSocket(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := filepath.Dir(l.Addr().String()); got != sockets {
		t.Errorf("in %s, want %s", got, sockets)
	}
	if info, err := os.Stat(sockets); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
	if name, err := SocketPath(dir); err != nil || name != l.Addr().String() {
		t.Errorf("tools look at %s: %v", name, err)
	}
}

// TestASquattedFolderIsRefused: who could have made the folder could answer in the server's name.
func TestASquattedFolderIsRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		squat func(t *testing.T, sockets string) error
	}{
		{"open to others", func(_ *testing.T, sockets string) error {
			if err := os.Mkdir(sockets, 0o700); err != nil {
				return err
			}
			return os.Chmod(sockets, 0o711)
		}},
		{"a link", func(t *testing.T, sockets string) error { return os.Symlink(t.TempDir(), sockets) }},
		{"a file", func(_ *testing.T, sockets string) error { return os.WriteFile(sockets, nil, 0o600) }},
		{"of another user", func(t *testing.T, sockets string) error {
			if os.Getuid() != 0 {
				t.Skip("only root can give a folder away")
			}
			if err := os.Mkdir(sockets, 0o700); err != nil {
				return err
			}
			return os.Chown(sockets, 12345, 12345)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, sockets := longDir(t)
			if err := c.squat(t, sockets); err != nil {
				t.Fatal(err)
			}
			if l, err := listenSocket(dir); err == nil || !strings.Contains(err.Error(), sockets) {
				t.Errorf("listens on %v: %v", l, err)
			}
			res, err := Client(dir).Get(SocketURL)
			if err == nil {
				res.Body.Close()
			}
			if err == nil || !strings.Contains(err.Error(), sockets) {
				t.Errorf("a tool asks there: %v", err)
			}
			if _, ok := Dial(t.Context(), dir); ok {
				t.Error("a tool dials there")
			}
		})
	}
}

func TestAPathThatIsTooLongEverywhere(t *testing.T) {
	dir, _ := longDir(t)
	t.Setenv("TMPDIR", dir)
	l, err := listenSocket(dir)
	if err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("listens on %v: %v", l, err)
	}
}
