package main

import (
	"fmt"
	"runtime/debug"
)

// versionCommand prints what was built.
type versionCommand struct{}

// Run implements the command.
func (versionCommand) Run(m *Main) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Errorf("this binary does not say what it was built from")
	}
	revision := "unknown revision"
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	fmt.Fprintf(m.Stdout, "lodge %s (%s, %s)\n", info.Main.Version, revision, info.GoVersion)
	return nil
}
