package availability

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Limits of names that are searched by.
const (
	wordsMax      = 96 // of one hotel
	wordRunesMax  = 48
	queryWordsMax = 8
)

// strokes are letters whose marks Unicode does not take apart, as people without them on the keyboard write them.
var strokes = strings.NewReplacer("ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "œ", "oe", "ı", "i", "ħ", "h")

// Fold returns what names are compared by: without regard to case, accents and surrounding space. Folding it again changes nothing.
func Fold(name string) string {
	name = norm.NFKD.String(strings.ToLower(cases.Fold().String(norm.NFKD.String(name)))) // folding alone swaps the cases of Cherokee
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, name)
	return strings.TrimSpace(strokes.Replace(name))
}

// wordsOf returns the different folded words of texts in order: runs of letters and digits, cut to wordRunesMax.
func wordsOf(most int, texts ...string) []string {
	var words []string
	for _, text := range texts {
		for _, word := range strings.FieldsFunc(Fold(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if runes := []rune(word); len(runes) > wordRunesMax {
				word = string(runes[:wordRunesMax])
			}
			words = append(words, word)
		}
	}
	if len(words) > most {
		words = words[:most]
	}
	slices.Sort(words)
	return slices.Compact(words)
}
