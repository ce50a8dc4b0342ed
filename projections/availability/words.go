package availability

import (
	"slices"
	"strings"
	"unicode"

	"lodge/projections/fold"
)

// Limits of names that are searched by.
const (
	wordsMax      = 96 // of one hotel
	wordRunesMax  = 48
	queryWordsMax = 8
)

// wordsOf returns the different folded words of texts in order: runs of letters and digits, cut to wordRunesMax.
func wordsOf(most int, texts ...string) []string {
	var words []string
	for _, text := range texts {
		for _, word := range strings.FieldsFunc(fold.Name(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
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
