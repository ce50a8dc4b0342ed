package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgres is a server of our own: a new cluster with PostgreSQL's default settings, behind a Unix socket or on a port of the loopback interface.
type postgres struct {
	cmd     *exec.Cmd
	url     string
	version string
}

// errNoPostgres says what is missing.
var errNoPostgres = errors.New("PostgreSQL is not installed: apt-get install postgresql")

// binaries returns the folder of the newest PostgreSQL that the system's packages installed.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		path, err := exec.LookPath("postgres")
		if err != nil {
			return "", errNoPostgres
		}
		found = []string{path}
	}
	slices.SortFunc(found, func(a, b string) int { return versionOf(a) - versionOf(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

func versionOf(binary string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(binary))))
	if err != nil {
		return 0
	}
	return n
}

// startPostgres makes a cluster in dir and starts its server, as the user postgres where this is root, whom PostgreSQL refuses. It listens on a
// Unix socket, or else on TCP.
func startPostgres(ctx context.Context, dir string, tcp bool) (*postgres, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	var as *syscall.Credential
	if os.Geteuid() == 0 {
		if as, err = unprivileged(dir); err != nil {
			return nil, err
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		c.Dir = dir
		return c
	}
	data := filepath.Join(dir, "data")
	password, passwordFile := rand.Text(), filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(password), 0o644); err != nil { // in a folder of its own user's
		return nil, err
	}
	if out, err := command("initdb", "-D", data, "-U", dbUser, "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile", passwordFile,
		"--no-locale", "-E", "UTF8").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	p := &postgres{cmd: command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses="), url: fmt.Sprintf("host=%s user=%s dbname=postgres", dir, dbUser)}
	if tcp {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		p.cmd = command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(port))
		p.url = fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s dbname=postgres sslmode=disable", port, dbUser, password)
	}
	log, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if err := p.awaitReady(ctx); err != nil {
		said, _ := os.ReadFile(log.Name()) // to say more, if there is more
		return nil, errors.Join(fmt.Errorf("%w: %s", err, said), p.stop())
	}
	return p, nil
}

const dbUser = "lodge"

// freePort returns a port of the loopback interface that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// unprivileged gives dir, and the way to it, to the user that Debian's packages make for the server.
func unprivileged(dir string) (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", errNoPostgres, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chmod(filepath.Dir(dir), 0o711)
}

// awaitReady waits until the server answers.
func (p *postgres) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for again := time.NewTicker(50 * time.Millisecond); ; {
		c, err := pgx.Connect(ctx, p.url)
		if err == nil {
			err = c.QueryRow(ctx, "SELECT version()").Scan(&p.version)
			return errors.Join(err, c.Close(ctx))
		}
		select {
		case <-ctx.Done():
			again.Stop()
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-again.C:
		}
	}
}

// stop ends the server as its manual calls fast: sessions are ended, data is written.
func (p *postgres) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.cmd.Wait()
}
