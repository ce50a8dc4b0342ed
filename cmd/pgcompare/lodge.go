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

	"github.com/valyala/fasthttp"
	"google.golang.org/protobuf/proto"

	"lodge/api/gen/lodge/v1/lodgev1connect"
	"lodge/cmd/internal/bench"
	"lodge/cmd/internal/platform"
)

// serveLodge is the server's process, set up as `lodge serve` is: it prints its URL and runs until standard input ends.
func serveLodge(ctx context.Context, dir string, hotels int) error {
	platform.TuneRuntime()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what is waited for
		stop()
	}()
	return bench.Serve(ctx, dir, hotels, func(url string) { fmt.Println(url) })
}

// driver reserves at a URL.
type driver func(ctx context.Context, url string, w workload) (bench.Result, error)

// connect drives with Connect's client over net/http, as most Go programs would.
func (o *options) connect(ctx context.Context, url string, w workload) (bench.Result, error) {
	return (&bench.Client{URL: url, Clients: o.clients, Hotels: w.hotels, Nights: w.nights, Duration: o.duration}).Drive(ctx)
}

// post drives with plain HTTP posts of the same protobuf messages, through a client library that costs about as little as the PostgreSQL driver does.
func (o *options) post(ctx context.Context, url string, w workload) (bench.Result, error) {
	c := bench.Client{Hotels: w.hotels, Nights: w.nights}
	host := fasthttp.HostClient{Addr: strings.TrimPrefix(url, "http://"), MaxConns: o.clients, MaxIdemponentCallAttempts: 1}
	defer host.CloseIdleConnections()
	url += lodgev1connect.ReservationServiceCreateReservationProcedure
	return bench.Rate(ctx, o.clients, o.duration, "", "", "reservations/s", 1, func(context.Context, int, int) error {
		req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(req)
		defer fasthttp.ReleaseResponse(res)
		body, err := proto.MarshalOptions{}.MarshalAppend(req.Body(), c.Next())
		if err != nil {
			return err
		}
		req.SetRequestURI(url)
		req.Header.SetMethod(fasthttp.MethodPost)
		req.Header.SetContentType("application/proto")
		req.SetBodyRaw(body)
		if err := host.Do(req, res); err != nil {
			return err
		}
		if res.StatusCode() != fasthttp.StatusOK {
			return fmt.Errorf("status %d: %s", res.StatusCode(), res.Body())
		}
		return nil
	})
}

// lodge reserves through the API of a server in a process of its own and a new folder.
func (o *options) lodge(ctx context.Context, dir string, w workload, drive driver) (r bench.Result, err error) {
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
	return drive(ctx, strings.TrimSpace(url), w)
}
