package main

// logCommand looks into the files of the log.
type logCommand struct {
}
