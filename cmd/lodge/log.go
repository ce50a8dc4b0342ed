package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lodge/cmd/internal/platform"
	"lodge/commands"
	"lodge/log"
	"lodge/log/logtool"
	"lodge/log/vfs"
	"lodge/log/vfs/tiered"
)

// logCommand looks into the files of the log. It opens no log, because it is needed when none can be opened.
type logCommand struct {
	Dump   logDump   `cmd:"" help:"Show the batches and records of a partition's files."`
	Verify logVerify `cmd:"" help:"Check every byte of the log's files."`
	Repair logRepair `cmd:"" help:"Cut damage out of the log's files, keeping the bytes."`
}

// partitions selects partitions: "bookings/3", "bookings", or "" for all, and returns the file system that they lie in.
func partitions(dir, selected string) (vfs.FS, []logtool.Partition, error) {
	if !platform.Exists(dir) {
		return nil, nil, fmt.Errorf("%s is not a data folder", dir)
	}
	fsys, err := tiered.Open(vfs.Default, platform.LogFolder(dir))
	if err != nil {
		return nil, nil, err
	}
	all, err := logtool.Partitions(fsys, platform.LogFolder(dir))
	if err != nil {
		return nil, nil, err
	}
	topic, number, one := strings.Cut(selected, "/")
	var found []logtool.Partition
	for _, p := range all {
		if selected == "" || p.TP.Topic == log.Topic(topic) && (!one || strconv.Itoa(int(p.TP.Partition)) == number) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, nil, fmt.Errorf("there is no partition %s in %s", selected, dir)
	}
	return fsys, found, nil
}

// warnInUse reports whether another process has the folder, and says what that means for whoever reads its files.
func warnInUse(m *Main, dir string) (inUse bool, err error) {
	lock, err := platform.Lock(dir)
	var held *platform.InUseError
	if errors.As(err, &held) {
		fmt.Fprintf(m.Stderr, "lodge: %s is in use: what is being written just now may look torn\n", dir)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, lock.Close()
}

type logDump struct {
	dataFlag
	Partition string `arg:"" help:"Topic and partition, such as bookings/3."`
	From      int64  `help:"First offset."`
	To        int64  `help:"Stop before this offset (0: at the end)."`
	Records   bool   `help:"Show each record's key and headers too." short:"r"`
	Values    int    `help:"Show so many bytes of each record's value (0: only its size)." default:"0"`
}

// Help shows examples.
func (logDump) Help() string {
	return `Examples:
  lodge log dump bookings/3
  lodge log dump bookings/3 --from 1024 --to 1030 -r --values 200`
}

// Run implements the command.
func (c *logDump) Run(m *Main) error {
	fsys, found, err := partitions(c.Data, c.Partition)
	if err != nil {
		return err
	}
	if _, err := warnInUse(m, c.Data); err != nil {
		return err
	}
	for _, p := range found {
		fmt.Fprintln(m.Stdout, p.TP)
		err := logtool.Dump(m.Stdout, fsys, p, logtool.DumpOptions{
			From: log.Offset(c.From), To: log.Offset(c.To), Records: c.Records || c.Values > 0, Values: c.Values,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type logVerify struct {
	dataFlag
	Partition string `arg:"" optional:"" help:"Only this topic or partition, such as bookings or bookings/3."`
}

// Help shows examples.
func (logVerify) Help() string {
	return `Reads every byte: all checksums, all offsets, every record, what the checkpoints promise, the indexes. It changes nothing.
A server may have the folder open meanwhile. Exit code 0: all partitions can be opened and read whole. Whether what they say is consistent is what lodge verify proves.

Examples:
  lodge log verify
  lodge log verify bookings/3`
}

// Run implements the command.
func (c *logVerify) Run(m *Main) error {
	fsys, found, err := partitions(c.Data, c.Partition)
	if err != nil {
		return err
	}
	inUse, err := warnInUse(m, c.Data)
	if err != nil {
		return err
	}
	damaged := 0
	for _, p := range found {
		report, err := verifyFiles(fsys, p, inUse)
		if err != nil {
			return err
		}
		if err := report.Print(m.Stdout); err != nil {
			return err
		}
		if !report.OK() {
			damaged++
		}
	}
	if damaged > 0 {
		return fmt.Errorf("%d of %d partitions are damaged: lodge log repair --data %s shows what can be done", damaged, len(found), c.Data)
	}
	fmt.Fprintf(m.Stdout, "%d partitions are whole\n", len(found))
	return nil
}

// looks is how often a partition that is being written is looked at before what is found there counts as damage.
const looks = 3

// verifyFiles checks a partition. What looks damaged in one that is being written may be half of a write, and is looked at again.
func verifyFiles(fsys vfs.FS, p logtool.Partition, inUse bool) (*logtool.Report, error) {
	for look := 1; ; look++ {
		report, err := logtool.Verify(fsys, p)
		if !inUse || look == looks || err == nil && report.OK() {
			return report, err
		}
	}
}

type logRepair struct {
	dataFlag
	Partition string `arg:"" optional:"" help:"Only this topic or partition, such as bookings or bookings/3."`
	Apply     bool   `help:"Do it; without this it only says what it would do."`
}

// Help shows examples.
func (logRepair) Help() string {
	return `For a partition that refuses to open. Damaged stretches are cut out and kept in files beside the segment; offsets that are lost are given
to nobody else; every sound batch stays. Nobody may have the folder open.

Events of the platform's own topics (hotels, inventory, bookings, payments) rest on one another: where some are lost the platform does not open, since it would be wrong. Then put
back a copy of the folder. Other topics go on without what is lost.

Examples:
  lodge log repair                 # what would be done
  lodge log repair --apply`
}

// Run implements the command.
func (c *logRepair) Run(m *Main) (err error) {
	fsys, found, err := partitions(c.Data, c.Partition)
	if err != nil {
		return err
	}
	lock, err := platform.Lock(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	cuts := 0
	for _, p := range found {
		plan, err := logtool.Repair(fsys, p, c.Apply)
		if err != nil {
			return err
		}
		if err := plan.Print(m.Stdout); err != nil {
			return err
		}
		cuts += len(plan.Cuts)
		if len(plan.Cuts) > 0 && slices.Contains(commands.Topics(), p.TP.Topic) {
			fmt.Fprintf(m.Stderr, "warning: where acknowledged events of %s are lost the platform does not open any more\n", p.TP.Topic)
		}
	}
	if cuts > 0 && !c.Apply {
		fmt.Fprintln(m.Stdout, "nothing was changed: --apply does it")
	}
	return nil
}
