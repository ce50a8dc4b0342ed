package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// ours are the names that a data folder without a log may have: keys that an administrator has put there, what is left of a folder whose log was
// taken away, and what file systems keep at their roots.
var ours = []string{snapshotFolder, projectionFolder, natsFolder, proofFolder, quoteKeyFile, sessionKeysFile, simulatorFile, "lost+found", "System Volume Information", "$RECYCLE.BIN"}

// foreignShown is how many names of foreign files are said.
const foreignShown = 5

// checkFolder refuses a folder that is no data folder and has something in it that is not Lodge's: it is likely to be another one than was meant. Hidden
// files, as of desktops and volumes, do not count.
func checkFolder(dir string) error {
	if Exists(dir) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the data folder: %w", err)
	}
	var foreign []string
	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(ours, name) {
			foreign = append(foreign, name)
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	more := ""
	if n := len(foreign) - foreignShown; n > 0 {
		foreign, more = foreign[:foreignShown], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("%s is no data folder, and not empty: it has %s%s. Name a folder that is empty or not there yet", dir, strings.Join(foreign, ", "), more)
}
