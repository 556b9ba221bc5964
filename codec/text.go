package codec

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// Masks for looking at eight bytes at a time. Subtracting ones from bytes that
// are all below 0x80 sets the high bit of the first byte that is zero, and of
// none if no byte is.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// suspects has a high bit set if one of the eight bytes is zero or not ASCII.
func suspects(w uint64) uint64 { return (w | (w - ones)) & highs }

// topicSuspects is suspects for '+' and '#' as well. The two differ in one bit
// only, so setting that bit leaves one character to look for.
func topicSuspects(w uint64) uint64 {
	const wildcardBit, wildcard = ('+' ^ '#') * ones, '+' * ones
	return (w | (w - ones) | (((w | wildcardBit) ^ wildcard) - ones)) & highs
}

// checkString checks a UTF-8 Encoded String [MQTT-1.5.4-1] [MQTT-1.5.4-2].
// Nearly all strings are ASCII, which eight bytes at a time can tell; the rest
// is left to a function that looks again from the start.
func checkString(s []byte) error {
	if len(s) < 8 {
		for _, b := range s {
			if b == 0 || b >= utf8.RuneSelf {
				return checkStringSlow(s)
			}
		}
		return nil
	}
	// The last word overlaps the one before it, which spares a loop over bytes.
	found := suspects(binary.LittleEndian.Uint64(s[len(s)-8:]))
	for rest := s; len(rest) > 8; rest = rest[8:] {
		found |= suspects(binary.LittleEndian.Uint64(rest))
	}
	if found != 0 {
		return checkStringSlow(s)
	}
	return nil
}

func checkStringSlow(s []byte) error {
	if !utf8.Valid(s) {
		return errUTF8
	}
	if bytes.IndexByte(s, 0) >= 0 {
		return errNUL
	}
	return nil
}

// checkTopicName checks a string that names a topic: no wildcard characters
// [MQTT-4.7.0-1], for which it returns wildcard, and otherwise as checkString.
// That it is not empty is the caller's to check.
func checkTopicName(s []byte, wildcard error) error {
	if len(s) < 8 {
		for _, b := range s {
			if b == 0 || b >= utf8.RuneSelf || b == '+' || b == '#' {
				return checkTopicNameSlow(s, wildcard)
			}
		}
		return nil
	}
	found := topicSuspects(binary.LittleEndian.Uint64(s[len(s)-8:]))
	for rest := s; len(rest) > 8; rest = rest[8:] {
		found |= topicSuspects(binary.LittleEndian.Uint64(rest))
	}
	if found != 0 {
		return checkTopicNameSlow(s, wildcard)
	}
	return nil
}

func checkTopicNameSlow(s []byte, wildcard error) error {
	if err := checkStringSlow(s); err != nil {
		return err
	}
	if bytes.IndexByte(s, '+') >= 0 || bytes.IndexByte(s, '#') >= 0 {
		return wildcard
	}
	return nil
}

// maxStringLength is the most bytes a two byte length can announce.
const maxStringLength = 65_535

// appendString appends a UTF-8 Encoded String or Binary Data: a two byte length
// and the bytes [MQTT-4.7.3-3].
func appendString[T string | []byte](dst []byte, s T) []byte {
	if len(s) > maxStringLength {
		panic("codec: string or binary data of more than 65,535 bytes")
	}
	dst = append(dst, byte(len(s)>>8), byte(len(s)))
	return append(dst, s...)
}
