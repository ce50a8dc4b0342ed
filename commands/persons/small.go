package persons

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"path"

	"lodge/log/vfs"
)

// ErrDamaged says that a small file has not what was written.
var ErrDamaged = errors.New("the file is damaged")

// ReadSmall returns what a small file of the folder has between its magic and a CRC-32C of both; nil when there is no file. The error is ErrDamaged when that is not whole, or not of the size.
func (k *Keys) ReadSmall(name, magic string, size int) ([]byte, error) {
	name = path.Join(k.dir, name)
	if there, err := vfs.Exists(k.fs, name); err != nil || !there {
		return nil, err
	}
	b, err := vfs.ReadFile(k.fs, name)
	if err != nil {
		return nil, err
	}
	n := len(magic) + size
	if len(b) != n+4 || string(b[:len(magic)]) != magic || binary.BigEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return nil, ErrDamaged
	}
	return b[len(magic):n], nil
}

// WriteSmall replaces such a file, durably, or leaves it as it was.
func (k *Keys) WriteSmall(name, magic string, content []byte) error {
	b := append([]byte(magic), content...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return vfs.AtomicWriteFile(k.fs, path.Join(k.dir, name), b)
}
