package platform

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// socketPathMax is the longest path that every system takes for a Unix socket: 104 bytes on the BSDs, with their zero.
const socketPathMax = 103

// SocketPath returns where the API of a data folder listens for tools on this machine: DIR/lodge.sock, or, when
// that path is longer than sockets may have, a name made from it in the system's folder for temporary files.
func SocketPath(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	name := filepath.Join(abs, "lodge.sock")
	if len(name) <= socketPathMax {
		return name, nil
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join(os.TempDir(), "lodge-"+hex.EncodeToString(sum[:8])+".sock"), nil
}

// listenSocket listens on the folder's socket, which only this user may use. A socket that a killed process left
// is replaced: the caller holds the folder's lock.
func listenSocket(dir string) (net.Listener, error) {
	name, err := SocketPath(dir)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
