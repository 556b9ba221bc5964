package codec

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// naiveCheckString decodes character by character.
func naiveCheckString(s []byte) error {
	nul := false
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 {
			return errUTF8
		}
		nul = nul || r == 0
		s = s[n:]
	}
	if nul {
		return errNUL
	}
	return nil
}

func naiveCheckTopicName(s []byte) error {
	if err := naiveCheckString(s); err != nil {
		return err
	}
	if strings.ContainsAny(string(s), "+#") {
		return errTopicNameWildcard
	}
	return nil
}

func compareTextChecks(t *testing.T, s []byte) {
	t.Helper()
	if got, want := checkString(s), naiveCheckString(s); got != want {
		t.Errorf("checkString(%q) = %v, want %v", s, got, want)
	}
	if got, want := checkTopicName(s, errTopicNameWildcard), naiveCheckTopicName(s); got != want {
		t.Errorf("checkTopicName(%q) = %v, want %v", s, got, want)
	}
}

func TestTextChecksAgreeWithNaiveOnesForEveryByteAtEveryPlace(t *testing.T) {
	for size := range 26 {
		for place := range size {
			for b := range 256 {
				s := bytes.Repeat([]byte{'a'}, size)
				s[place] = byte(b)
				compareTextChecks(t, s)
			}
		}
	}
}

func TestTextChecksAgreeWithNaiveOnesOnRandomText(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "/", "\x7f", "\x01", "é", "温", "🌡", "\x00", "+", "#", "\xed\xa0\x80", "\xc0\x80", "\xef\xbf\xbd", "\xff", "*", "\"", "\x23\x2b", ","}
	for range 50_000 {
		var s []byte
		for range rng.IntN(24) {
			// Mostly plain text, so that the odd character stands anywhere in it.
			if rng.IntN(8) > 0 {
				s = append(s, 'a'+byte(rng.IntN(26)))
				continue
			}
			s = append(s, pieces[rng.IntN(len(pieces))]...)
		}
		compareTextChecks(t, s)
	}
}

func TestReplacementCharacterIsNotTakenForAnError(t *testing.T) {
	if err := checkString([]byte("a\uFFFDb")); err != nil {
		t.Errorf("U+FFFD is a character like any other, got %v", err)
	}
}

func TestErrorsCompareByIdentity(t *testing.T) {
	err := checkString([]byte{0xFF})
	if !errors.Is(err, errUTF8) || errors.Is(err, errNUL) {
		t.Errorf("errors.Is does not tell %v apart", err)
	}
	var e *Error
	if !errors.As(err, &e) || !e.Malformed() || e.Code != MalformedPacket || e.Clause != "MQTT-1.5.4-1" {
		t.Errorf("errors.As gave %+v", e)
	}
	if errors.As(errPublishDupQoS0, &e); e.Malformed() {
		t.Error("a Protocol Error counts as malformed")
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("devices/7/temperature"))
	f.Add([]byte("温度/+"))
	f.Fuzz(func(t *testing.T, s []byte) { compareTextChecks(t, s) })
}
