package projections

import (
	"encoding/binary"

	"lodge/domain/eventpb"
)

// Words is what people wrote, sealed by a key. The zero value seals nothing.
type Words struct {
	Key    uint64
	Sealed string
}

// wordsMark begins sealed words in the place of a text. UTF-8 has no such byte, so nothing that was given in clear is like them.
const wordsMark = 0xff

// TextOf returns what a row keeps in the place of a text: the text, or the words that it is sealed in.
func TextOf(text string, w *eventpb.SealedWords) string {
	if w.GetKey() == 0 {
		return text
	}
	b := binary.AppendUvarint([]byte{wordsMark}, w.GetKey())
	return string(append(b, w.GetSealed()...))
}

// ReadText is the reverse of TextOf.
func ReadText(kept string) (text string, w Words) {
	if kept == "" || kept[0] != wordsMark {
		return kept, w
	}
	key, n := binary.Uvarint([]byte(kept[1:min(len(kept), 1+binary.MaxVarintLen64)]))
	if n <= 0 {
		return "", w
	}
	return "", Words{Key: key, Sealed: kept[1+n:]}
}
