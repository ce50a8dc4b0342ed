package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/api"
)

// Every reason that the code of the edge, the domain or the commands has a constant for is in Reasons, which other languages know them from.
func TestReasonsAreComplete(t *testing.T) {
	all := api.Reasons()
	reason := regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$`)
	found := 0
	for _, folder := range []string{".", "access", "../domain", "../commands"} {
		packages, err := parser.ParseDir(token.NewFileSet(), folder, func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // types are not needed
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packages {
			ast.Inspect(p, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || len(spec.Values) != 1 {
					return true
				}
				typ, _ := spec.Type.(*ast.Ident)
				if !strings.HasPrefix(spec.Names[0].Name, "Reason") && (typ == nil || typ.Name != "Reason") {
					return true
				}
				if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
					if text, _ := strconv.Unquote(lit.Value); reason.MatchString(text) {
						found++
						if !slices.Contains(all, text) {
							t.Errorf("%s (%s) is not among the reasons", text, spec.Names[0].Name)
						}
					}
				}
				return true
			})
		}
	}
	if found < 80 {
		t.Errorf("only %d reasons were found in the code", found)
	}
}
