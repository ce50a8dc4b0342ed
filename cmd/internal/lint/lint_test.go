package lint_test

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// allowed says which rooms of the house each room may import. A room not named here may not exist.
var allowed = map[string][]string{
	"log":         {"log"},
	"domain":      {"domain"},
	"commands":    {"commands", "domain", "log"},
	"projections": {"projections", "domain", "log"},
	"api":         {"api", "commands", "projections", "domain", "log"},
	"cmd":         {"cmd", "api", "commands", "projections", "domain", "log"},
}

// domainExternal are the only modules outside the standard library that domain may use: the
// events are protobuf messages, so their runtime comes with them.
var domainExternal = []string{"google.golang.org/protobuf"}

// vagueNames are package names that say nothing at their place of use.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "types", "manager", "service", "misc", "base"}

type goPackage struct {
	ImportPath string
	Name       string
	Imports    []string
}

func TestImportDirections(t *testing.T) {
	for _, p := range packages(t) {
		from := room(p.ImportPath)
		rooms, known := allowed[from]
		if !known {
			t.Errorf("%s lies in no known top-level folder", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if to := room(imported); to != "" && !slices.Contains(rooms, to) {
				t.Errorf("%s imports %s: %s may import only %v", p.ImportPath, imported, from, rooms)
			}
		}
	}
}

func TestDomainIsPure(t *testing.T) {
	impure := []string{"net", "os", "database/sql", "math/rand", "math/rand/v2", "crypto/rand", "log/slog"}
	for _, p := range packages(t) {
		if room(p.ImportPath) != "domain" {
			continue
		}
		for _, imported := range p.Imports {
			if slices.Contains(impure, imported) {
				t.Errorf("%s imports %s: the domain does no I/O and throws no dice", p.ImportPath, imported)
			}
			if external(imported) && !slices.ContainsFunc(domainExternal, func(m string) bool { return within(imported, m) }) {
				t.Errorf("%s imports %s: the domain uses only the standard library and %v", p.ImportPath, imported, domainExternal)
			}
		}
	}
}

func TestPackageNamesSaySomething(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains(vagueNames, p.Name) {
			t.Errorf("%s: a package called %q holds everything and says nothing", p.ImportPath, p.Name)
		}
	}
}

func TestTopLevelFolders(t *testing.T) {
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	folders := []string{"log", "domain", "projections", "commands", "api", "cmd", "testdata"}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(folders, e.Name()) && tracked(t, e.Name()) {
			t.Errorf("%s/ is not one of the house's folders %v", e.Name(), folders)
		}
	}
	for _, name := range folders[:6] {
		if _, err := os.Stat(filepath.Join(root(t), name, "DESIGN.md")); err != nil {
			t.Errorf("%s/ has no DESIGN.md: %v", name, err)
		}
	}
}

var sleeping = regexp.MustCompile(`\btime\.Sleep\(`)

// In a synctest bubble time is fake and a sleep costs nothing; elsewhere a test waits for what it waits for.
func TestNoTestSleeps(t *testing.T) {
	err := filepath.WalkDir(root(t), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(text), `"testing/synctest"`) || strings.HasSuffix(path, "lint_test.go") {
			return nil
		}
		for i, line := range strings.Split(string(text), "\n") {
			if sleeping.MatchString(line) {
				t.Errorf("%s:%d sleeps; wait for what the test waits for, or run it under testing/synctest", path, i+1)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// room returns the top-level folder of a package of this module, or "".
func room(importPath string) string {
	rest, ok := strings.CutPrefix(importPath, "lodge/")
	if !ok {
		return ""
	}
	top, _, _ := strings.Cut(rest, "/")
	return top
}

func external(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return strings.Contains(first, ".")
}

func within(importPath, module string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}

// tracked reports whether git keeps something in the folder; where there is no git, every folder counts.
func tracked(t *testing.T, folder string) bool {
	t.Helper()
	cmd := exec.Command("git", "ls-files", folder)
	cmd.Dir = root(t)
	out, err := cmd.Output()
	return err != nil || len(out) > 0
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Imports", "./...")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
