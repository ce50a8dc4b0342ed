// Command lodge is the whole of Lodge in one binary: the server, and the tools that look after its data folder. lodge
// --help lists them; each is one file of this package.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // hotels have time zones where the system has none

	"lodge/cmd/internal/platform"
)

func main() {
	platform.TuneRuntime()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	m := Main{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	os.Exit(m.Run(ctx, os.Args[1:]))
}
