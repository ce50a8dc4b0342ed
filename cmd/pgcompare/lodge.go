package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"lodge/cmd/internal/bench"
)

// serveLodge is the server's process: it prints its URL and runs until standard input ends.
func serveLodge(ctx context.Context, dir string, hotels int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what is waited for
		stop()
	}()
	return bench.Serve(ctx, dir, hotels, func(url string) { fmt.Println(url) })
}

// lodge reserves through the API of a server in a process of its own and a new folder.
func (o *options) lodge(ctx context.Context, dir string, w workload) (r bench.Result, err error) {
	dir, err = os.MkdirTemp(dir, "lodge-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	server := exec.CommandContext(ctx, self, "-serve", dir, "-hotels", strconv.Itoa(w.hotels))
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		return r, err
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		return r, err
	}
	if err := server.Start(); err != nil {
		return r, fmt.Errorf("start Lodge: %w", err)
	}
	defer func() { err = errors.Join(err, stdin.Close(), server.Wait()) }()
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return r, fmt.Errorf("Lodge did not say where it listens: %w", err)
	}
	return (&bench.Client{URL: strings.TrimSpace(url), Clients: o.clients, Hotels: w.hotels, Nights: w.nights, Duration: o.duration}).Drive(ctx)
}
