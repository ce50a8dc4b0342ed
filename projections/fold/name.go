// Package fold says what names of places and people are compared by. Read models that store folded names say so in the comments of
// their schemas: a change of what Name returns must change that text, so that they are made again.
package fold

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// strokes are letters whose marks Unicode does not take apart, as people without them on the keyboard write them.
var strokes = strings.NewReplacer("ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "œ", "oe", "ı", "i", "ħ", "h")

// Name returns what names are compared by: without regard to case, accents and surrounding space. Folding it again changes nothing.
func Name(name string) string {
	name = norm.NFKD.String(strings.ToLower(cases.Fold().String(norm.NFKD.String(name)))) // folding alone swaps the cases of Cherokee
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, name)
	return strings.TrimSpace(strokes.Replace(name))
}
