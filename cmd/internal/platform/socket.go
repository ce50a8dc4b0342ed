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
	"strconv"
)

// socketPathMax is the longest path that every system takes for a Unix socket: 104 bytes on the BSDs, with their zero.
const socketPathMax = 103

// SocketPath returns where the API of a data folder listens for tools on this machine: DIR/lodge.sock, or, when
// that path is longer than sockets may have, a name made from it in this user's own folder within the system's for temporary files.
// There anybody might have made that folder first, to be taken for the server: then it is an error.
func SocketPath(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	name := filepath.Join(abs, "lodge.sock")
	if len(name) <= socketPathMax {
		return name, nil
	}
	folder := filepath.Join(os.TempDir(), "lodge-"+strconv.Itoa(os.Getuid()))
	sum := sha256.Sum256([]byte(abs))
	name = filepath.Join(folder, hex.EncodeToString(sum[:8])+".sock")
	if len(name) > socketPathMax {
		return "", fmt.Errorf("%s and %s are too long for a socket's path: give --data or TMPDIR a shorter one", abs, name)
	}
	return name, ownFolder(folder)
}

// ownFolder makes a folder that only this user may use, or checks that it is one.
func ownFolder(name string) error {
	if err := os.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the folder of sockets: %w", err)
	}
	info, err := os.Lstat(name)
	if err != nil {
		return fmt.Errorf("look at the folder of sockets: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByUser(info) {
		return fmt.Errorf("%s is not a folder that only user %d may use (it is %s): remove it, or give --data or TMPDIR another one",
			name, os.Getuid(), info.Mode())
	}
	return nil
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
